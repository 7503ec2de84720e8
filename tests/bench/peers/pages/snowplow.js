import { newTracker, trackSelfDescribingEvent } from "@snowplow/browser-tracker";

newTracker("storm", window.peer.api, { appId: "storm", keepalive: true });
const schema = "iglu:test.storm/storm/jsonschema/1-0-0";
window.tracker = {
  track: (_, data) => trackSelfDescribingEvent({ event: { schema, data: { ...data } } }),
};
