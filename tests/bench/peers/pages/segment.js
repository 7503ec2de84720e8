import { AnalyticsBrowser } from "@segment/analytics-next";

const { api, config } = window.peer;
const segment = {
  apiHost: `${new URL(api).host}/v1`,
  protocol: "http",
  deliveryStrategy: { strategy: "standard", config: { keepalive: true } },
};
const analytics = AnalyticsBrowser.load(
  { writeKey: "storm", cdnURL: config },
  { integrations: { "Segment.io": segment } },
);
window.tracker = { track: (type, properties) => void analytics.track(type, properties) };
