import * as amplitude from "@amplitude/analytics-browser";

amplitude.init("storm", {
  serverUrl: `${window.peer.api}/2/httpapi`,
  autocapture: false,
  remoteConfig: { fetchRemoteConfig: false },
});
// For events that are batched when the page is left: without it more were lost.
addEventListener("pagehide", () => {
  amplitude.setTransport("beacon");
  amplitude.flush();
});
addEventListener("pageshow", () => amplitude.setTransport("fetch"));
window.tracker = { track: (type, properties) => void amplitude.track(type, { ...properties }) };
