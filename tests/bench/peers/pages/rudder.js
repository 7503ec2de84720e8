import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

const { api, config } = window.peer;
const analytics = new RudderAnalytics();
analytics.load("storm", api, { configUrl: config, loadIntegration: false });
window.tracker = { track: (type, properties) => analytics.track(type, { ...properties }) };
