// Shows on a test page what the collector has stored of it, green or red against what the page declares.
(() => {
  const expected = JSON.parse(document.getElementById("expected").textContent);
  const verdict = document.getElementById("verdict");
  const table = document.getElementById("rows");
  const body = table.querySelector("tbody");
  // The two clocks of a browser differ by a little; a reload takes longer.
  const opened = new Date(performance.timeOrigin - 20).toISOString();
  const deadline = Date.now() + 20000;

  const home = location.pathname;
  const sessions = new Set(); // a page may become somebody else
  if (window.onThamesThriveReady) window.onThamesThriveReady.bind(({tracker}) => sessions.add(tracker.sessionId));

  // Of this page, wherever it has taken its address; not of another test page that is open at the same time.
  const isOurs = ({occurred_at, context}) => {
    const path = context.page && context.page.path;
    return occurred_at >= opened && (!path || path === home || !path.includes("/pages/"));
  };

  const say = (text, kind) => {
    verdict.textContent = text;
    verdict.className = kind || "";
  };

  const show = (events) => {
    table.hidden = !events.length;
    body.replaceChildren(...events.map((event) => {
      const row = document.createElement("tr");
      for (const text of [event.type, JSON.stringify(event.properties), event.received_at]) {
        row.insertCell().textContent = text;
      }
      return row;
    }));
  };

  // The order of keys in JSON does not matter.
  const plain = (value) =>
    JSON.stringify(value, (_, part) =>
      part && typeof part === "object" && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part);

  const same = (events) =>
    events.length === expected.events.length &&
    events.every((event, place) =>
      event.type === expected.events[place].type && plain(event.properties) === plain(expected.events[place].properties));

  const read = async () => {
    const found = [];
    for (const session of sessions) {
      const answer = await fetch("/qa/events?session_id=" + encodeURIComponent(session));
      if (!answer.ok) return null;
      found.push(...(await answer.json()).events);
    }
    return found.filter(isOurs);
  };

  const look = async () => {
    if (window.tracker && window.tracker.sessionId) sessions.add(window.tracker.sessionId);
    let events = [];
    try {
      events = await read();
    } catch {
      say("The collector cannot be reached. Events wait in this browser until it can.", "bad");
    }
    if (!events) {
      return say("This server does not show what is stored. Open the page from `thamesthrive demo`, or look with `thamesthrive events list`.");
    }
    show(events);
    if (events.length && same(events)) return say(`As expected: ${events.length} event${events.length > 1 ? "s" : ""} stored.`, "good");
    if (events.length > expected.events.length) return say("More was stored than expected.", "bad");
    if (!expected.events.length && Date.now() > deadline - 17000) return say("As expected: nothing was stored.", "good");
    if (Date.now() > deadline) return say("Not what was expected. The browser's console says why an event was not stored.", "bad");
    setTimeout(look, 300);
  };
  look();
})();
