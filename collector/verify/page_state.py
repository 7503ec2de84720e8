"""Scripts that run in a page that is looked at. They change nothing there."""

# What an init script adds: what the policy keeps from happening, from the very start.
WATCH = """
(() => {
  const seen = [];
  const key = Symbol.for("thamesthrive.verify");
  if (window[key]) return;
  Object.defineProperty(window, key, { value: seen });
  addEventListener("securitypolicyviolation", (event) => {
    if (seen.length < 50) seen.push({
      directive: event.effectiveDirective, blocked: event.blockedURI,
      policy: event.originalPolicy, line: event.lineNumber,
    });
  }, true);
})();
"""

VIOLATIONS = '() => window[Symbol.for("thamesthrive.verify")] ?? []'
CONSENT = '() => window[Symbol.for("thamesthrive.consent")] ?? {}'

# `options` is no property of window; a snippet in a separate block has given it to its script.
STATE = """
() => {
  const attempt = (read, otherwise) => {
    try { return read() ?? otherwise; } catch { return otherwise; }
  };
  const scripts = [...document.querySelectorAll("script")];
  const script = scripts.find((one) => Array.isArray(one.given) && one.given[0]?.source)
    ?? scripts.find((one) => one.src && one.dataset.source);
  const data = script?.dataset ?? {};
  const config = attempt(() => script.given[0], null) ?? attempt(() => options.tracker, null);
  const settings = config?.settings ?? {};
  const tracker = attempt(() => window.tracker, null);
  const id = String(config?.source?.id ?? data.source ?? "");
  const asks = +navigator.doNotTrack > 0 || !!navigator.globalPrivacyControl;
  const calls = Array.isArray(tracker) ? [...tracker] : [];
  const stored = attempt(() => Object.keys(localStorage), []);
  const base = String(config?.url?.script ?? "");
  return {
    has_config: !!(config || script),
    source: id,
    api: String(config?.url?.api ?? data.api ?? ""),
    script: script?.src || (base && base.replace(/\\/*$/, "/tracker.min.js")),
    ready: typeof tracker?.ready?.then == "function",
    queued: calls.filter((call) => call?.[3] == "track" || typeof call?.[0] == "string" && !call?.[2]?.call).length,
    waiting: stored.filter((key) => key.includes("-queue." + id + ".")).length,
    consent: String(settings.consent ?? data.settingsConsent ?? "granted"),
    page_views: String(settings.pageViews ?? data.settingsPageViews ?? "off"),
    flush_interval: Number(settings.flushInterval ?? data.settingsFlushInterval ?? 1000) || 0,
    run: String(config?.qa?.run ?? data.qaRun ?? ""),
    refused: asks && String(settings.respectDoNotTrack ?? data.settingsRespectDoNotTrack ?? "") == "true",
    has_triggers: !!(config?.auto?.triggers ?? data.autoTriggers),
  };
}
"""

READY = '() => typeof window.tracker?.ready?.then == "function"'

# Resolves once the tracker has had its first answer, or has nothing to wait for.
ANSWERED = """
(patience) => Promise.race([
  window.tracker.ready.then(() => true),
  new Promise((done) => setTimeout(done, patience, false)),
])
"""

PROBE = "([type, properties]) => void window.tracker.track(type, properties)"
PUSH = '(address) => history.pushState(history.state, "", address)'
