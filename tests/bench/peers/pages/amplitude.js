import * as amplitude from "@amplitude/analytics-browser";

amplitude.init("storm", {
  serverUrl: `${window.peer.api}/2/httpapi`,
  autocapture: false,
  remoteConfig: { fetchRemoteConfig: false },
});
// As its documentation advises, for events that are batched when the page is left.
addEventListener("pagehide", () => {
  amplitude.setTransport("beacon");
  amplitude.flush();
});
addEventListener("pageshow", () => amplitude.setTransport("fetch"));
window.tracker = { track: (type, properties) => void amplitude.track(type, { ...properties }) };
