// Runs in each page of a test before the page's own scripts. Tells the kit what the page does with
// the tracker, and changes nothing that the tracker does: its methods are called as they are, with
// what was passed to them, and what they return is passed on.
((run) => {
  if (window.__tt_qa) return;
  const { defineProperty } = Object;
  const { stringify } = JSON;
  const now = Date.now.bind(Date);
  const push = Array.prototype.push;
  const apply = Reflect.apply;
  const then = Promise.prototype.then;
  defineProperty(window, "__tt_qa", { value: { run }, configurable: true, writable: true });
  let calls = 0;

  const tell = (kind, data) => {
    try {
      window.__tt_qa_saw(stringify({ kind, page: location.href, at: now() / 1000, ...data }));
    } catch {
      // What cannot be told is not known, and the page goes on.
    }
  };
  window.__tt_qa_recorded = (text) => tell("acted", { text });
  const plain = (value) => {
    try {
      return JSON.parse(stringify(value ?? {}));
    } catch {
      return String(value);
    }
  };
  const saw = (type, properties, result) => {
    const call = `${now()}-${calls++}-${location.pathname}`;
    tell("call", { call, type: String(type), properties: plain(properties) });
    if (result && typeof result.then == "function") {
      apply(then, Promise.resolve(result), [
        (outcome) => tell("outcome", { call, outcome: plain(outcome) }),
        () => undefined,
      ]);
    }
  };

  const observed = new WeakSet();
  /** What the kit has to know of the tracker's options. The rest may have getters: those are the page's. */
  const known = (given) => {
    const { source, settings, qa } = given ?? {};
    const { consent, pageViews, respectDoNotTrack } = settings ?? {};
    return {
      source: { id: source?.id },
      settings: { consent, pageViews, respectDoNotTrack },
      qa: qa && { run: qa.run },
    };
  };
  /** The tracker's options: the loader hands them to the bundle's tag, or the tag has them. */
  const readConfig = () => {
    const script = document.currentScript;
    if (script?.given) return known(script.given[0]);
    if (script?.dataset?.source) {
      const { settingsConsent, settingsPageViews, settingsRespectDoNotTrack, source, qaRun } =
        script.dataset;
      return {
        source: { id: source },
        settings: {
          consent: settingsConsent,
          pageViews: settingsPageViews,
          respectDoNotTrack: settingsRespectDoNotTrack == "true",
        },
        qa: qaRun && { run: qaRun },
      };
    }
    return undefined;
  };
  const observe = (tracker) => {
    if (!tracker || typeof tracker != "object" || observed.has(tracker)) return;
    observed.add(tracker);
    tell("stub", {});
    /** Has `see` called after each call of a method, whoever defines it, whenever. */
    const observeMethod = (name, see, onSet) => {
      const wrap = (method) =>
        function (...given) {
          const result = apply(method, this, given);
          see(given, result);
          return result;
        };
      let wrapped = tracker[name] && wrap(tracker[name]);
      defineProperty(tracker, name, {
        configurable: true,
        enumerable: true,
        get: () => wrapped,
        set(method) {
          wrapped = typeof method == "function" ? wrap(method) : method;
          onSet?.();
        },
      });
    };
    observeMethod("consent", ([decision]) => tell("consent", { decision: String(decision) }));
    observeMethod(
      "track",
      (given, result) => saw(given[0], given[1], result),
      () => {
        if (!tracker.ready) return; // that of the loader
        tell("loaded", { config: plain(readConfig()) });
        // The bundle defines its `push` a little later, in the same script.
        apply(then, Promise.resolve(), [observePush]);
      },
    );
    const wrapPush = (original) =>
      function (...queued) {
        for (const call of queued) {
          // Entries of the loader have been seen as calls of `track`.
          if (Array.isArray(call) && typeof call[2] != "function") saw(call[0], call[1]);
        }
        return apply(original, this, queued);
      };
    const observePush = () => {
      const found = Object.getOwnPropertyDescriptor(tracker, "push");
      if (found && !found.configurable) return;
      defineProperty(tracker, "push", {
        configurable: true,
        enumerable: false,
        writable: true,
        value: wrapPush(tracker.push || push),
      });
    };
    if (Array.isArray(tracker)) observePush();
  };

  let tracker = window.tracker;
  observe(tracker);
  defineProperty(window, "tracker", {
    configurable: true,
    enumerable: true,
    get: () => tracker,
    set(value) {
      tracker = value;
      observe(value);
    },
  });

  const readOptions = () => {
    try {
      return plain(known(options.tracker));
    } catch {
      return undefined; // no classic snippet, or it is yet to come
    }
  };
  document.addEventListener("securitypolicyviolation", (event) =>
    tell("violation", { directive: event.effectiveDirective, blocked: event.blockedURI }),
  );
  addEventListener("DOMContentLoaded", () =>
    tell("page", {
      config: readOptions(),
      doNotTrack: +navigator.doNotTrack > 0 || !!navigator.globalPrivacyControl,
    }),
  );
})("__RUN__");
