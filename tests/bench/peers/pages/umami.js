// Its script has read its settings from its own element; see trackers.py.
import "umami/src/tracker/index.js";

window.tracker = { track: (type, data) => void window.umami.track(type, { ...data }) };
