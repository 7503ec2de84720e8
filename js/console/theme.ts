/**
 * Colours: as the system has them, or as the reader has chosen. The server writes the choice into
 * the page, so nothing flashes.
 */

const THEMES = {
  auto: ["auto", "colours as the system has them"],
  light: ["light", "colours for the day"],
  dark: ["dark", "colours for the night"],
} as const;
type Theme = keyof typeof THEMES;
const YEAR = 31_536_000;

export const startTheme = (): void => {
  const button = document.getElementById("theme") as HTMLButtonElement;
  const root = document.documentElement;
  const names = Object.keys(THEMES) as Theme[];
  let theme = (root.dataset["theme"] ?? "auto") as Theme;
  const show = (): void => {
    root.dataset["theme"] = theme;
    button.textContent = `Theme: ${THEMES[theme][0]}`;
    button.setAttribute("aria-label", `Theme: ${THEMES[theme][0]}, ${THEMES[theme][1]}`);
    button.hidden = false;
    document.dispatchEvent(new CustomEvent("theme"));
  };
  button.onclick = () => {
    theme = names[(names.indexOf(theme) + 1) % names.length]!;
    const kept = `path=/console; max-age=${YEAR}; samesite=strict`;
    document.cookie = `thamesthrive_theme=${theme}; ${kept}`;
    show();
  };
  show();
};
