/** The page of events as they come in: pausing, the length of the list, the drawer. */

const MAX_ROWS = 200;

const announce = (text: string): void => {
  document.getElementById("announce")!.textContent = text;
};

/** The stream as its extension has it. */
interface Connection {
  abortController: { abort(): void };
}

/** Ends the stream before the page does: to Firefox it would be one that broke. */
const endInTime = (list: HTMLElement): void => {
  let connection: Connection | undefined;
  list.addEventListener("htmx:sse:after:connection", (event) => {
    connection = (event as CustomEvent<{ connection: Connection }>).detail.connection;
  });
  // If the page stays after all, the extension connects again.
  addEventListener("beforeunload", () => connection?.abortController.abort());
};

/** Rows that came while the list was paused, the latest first. */
const held: Element[] = [];

const trim = (list: HTMLElement): void => {
  while (list.children.length > MAX_ROWS) list.lastElementChild!.remove();
};

export const startLive = (): void => {
  const list = document.getElementById("live-rows");
  const pause = document.getElementById("live-pause") as HTMLButtonElement | null;
  if (!list || !pause) return;
  const rate = document.getElementById("live-rate")!;
  list.addEventListener("rate", (event) => {
    const { data } = (event as CustomEvent<{ data: string }>).detail;
    const [shown, count] = data.split(" ").map(Number) as [number, number];
    rate.textContent =
      count > shown ? `showing ${shown} of ${count.toLocaleString("en")} in a second` : "";
  });
  endInTime(list);
  let paused = false;
  pause.hidden = false;
  const show = (): void => {
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? `Go on (${held.length} waiting)` : "Pause";
  };
  pause.onclick = () => {
    paused = !paused;
    if (!paused) {
      list.prepend(...held.splice(0));
      trim(list);
      announce("The list goes on.");
    } else announce("The list is paused. What comes in waits.");
    show();
  };
  document.addEventListener("htmx:after:swap", () => {
    document.getElementById("live-empty")?.remove();
    if (paused) {
      // What has just been put before the rows that were there.
      const added: Element[] = [];
      for (const row of list.children) {
        if (!row.hasAttribute("data-new")) break;
        added.push(row);
      }
      for (const row of added) row.remove();
      held.unshift(...added);
      held.length = Math.min(held.length, MAX_ROWS);
    }
    for (const row of list.children) row.removeAttribute("data-new");
    trim(list);
    show();
  });
  show();
};

/** Opens what a link in a row leads to beside the list, and closes it with Escape or its button. */
export const startDrawer = (): void => {
  const drawer = document.getElementById("drawer") as HTMLDialogElement | null;
  if (!drawer) return;
  document.addEventListener("htmx:after:swap", () => {
    const inside = drawer.querySelector("[data-drawer]");
    if (inside && !drawer.open) drawer.showModal();
  });
  drawer.addEventListener("click", (event) => {
    if (event.target === drawer) drawer.close();
  });
  drawer.addEventListener("close", () => drawer.querySelector("[data-drawer]")?.remove());
};
