import mixpanel from "mixpanel-browser";

mixpanel.init("storm", { api_host: window.peer.api, persistence: "localStorage" });
window.tracker = { track: (type, properties) => void mixpanel.track(type, { ...properties }) };
