import posthog from "posthog-js";

posthog.init("phc_storm", {
  api_host: window.peer.api,
  autocapture: false,
  capture_pageview: false,
  capture_pageleave: false,
  disable_session_recording: true,
  disable_surveys: true,
  advanced_disable_flags: true,
  opt_out_useragent_filter: true, // a driven browser would be taken for a bot
});
window.tracker = { track: (type, properties) => void posthog.capture(type, properties) };
