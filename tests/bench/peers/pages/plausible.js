import { init, track } from "@plausible-analytics/tracker";

init({
  domain: "storm.test",
  endpoint: `${window.peer.api}/api/event`,
  captureOnLocalhost: true,
  autoCapturePageviews: false,
});
window.tracker = { track: (type, props) => track(type, { props: { ...props } }) };
