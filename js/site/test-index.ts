/** The list of test pages: shows how each of them ended when it was last opened in this browser. */

const show = (): void => {
  for (const cell of document.querySelectorAll<HTMLElement>("[data-page]")) {
    let text = "not opened here";
    let kind = "";
    try {
      const found = JSON.parse(localStorage[`test-page ${cell.dataset["page"]}`] as string) as {
        state: string;
        at: string;
      };
      kind = found.state;
      const time = new Date(found.at).toLocaleString();
      text = `${kind == "good" ? "as expected" : "not as expected"}, ${time}`;
    } catch {
      // never opened, or storage is refused
    }
    cell.textContent = text;
    cell.className = `badge ${kind}`;
  }
};
show();
addEventListener("storage", show);
addEventListener("pageshow", show);

export {};
