/**
 * Lines over time, drawn on the element that has the server's own drawing of them. Their numbers
 * are in a table as well, for those who do not see them.
 */

import uPlot from "uplot";

interface Chart {
  times: number[]; // seconds
  series: { name: string; values: (number | null)[] }[];
}

const HEIGHT = 220;
const STROKES = ["--accent", "--warn", "--good", "--bad", "--soft"];

const colour = (name: string): string => getComputedStyle(document.body).getPropertyValue(name);

/** What `light-dark()` stands for now: a canvas does not know it. */
const resolved = (name: string): string => {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found || colour(name);
};

const DAY = 86_400; // seconds
const MONTH = 28 * DAY;

const format = (options: Intl.DateTimeFormatOptions): ((seconds: number) => string) => {
  const formatter = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
  return (seconds) => formatter.format(seconds * 1000);
};
const asTime = format({ hour: "2-digit", minute: "2-digit" });
const asDay = format({ day: "numeric", month: "short" });
const asMonth = format({ month: "short", year: "numeric" });
const asMoment = format({ dateStyle: "medium", timeStyle: "short" });

/** A mark of the axis. The first of a day says which one it is. */
const mark = (seconds: number, step: number): string => {
  if (step >= MONTH) return asMonth(seconds);
  return step >= DAY || seconds % DAY === 0 ? asDay(seconds) : asTime(seconds);
};

const drawn = new Map<HTMLElement, uPlot>();

const draw = (figure: HTMLElement): void => {
  const { times, series } = JSON.parse(figure.dataset["chart"]!) as Chart;
  const box = figure.querySelector<HTMLElement>(".plot");
  if (!box || times.length < 2) return;
  drawn.get(figure)?.destroy();
  box.replaceChildren();
  const axis = {
    stroke: resolved("--soft"),
    grid: { stroke: resolved("--line"), width: 1 },
    ticks: { show: false },
  };
  const count = new Intl.NumberFormat("en", { notation: "compact" });
  const plot = new uPlot(
    {
      width: box.clientWidth || 600,
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { points: { size: 7 } },
      legend: { live: true },
      scales: { y: { range: (_, __, high) => [0, Math.max(1, high * 1.05)] } },
      axes: [
        {
          ...axis,
          // Nothing is between two days.
          ...(times[1]! - times[0]! >= DAY
            ? { incrs: [1, 2, 7, 14, 28, 91].map((n) => n * DAY) }
            : {}),
          values: (_, ticks, __, ___, step) => ticks.map((tick) => mark(tick, step)),
        },
        { ...axis, size: 56, values: (_, ticks) => ticks.map((n) => count.format(n)) },
      ],
      series: [
        {
          label: "Time",
          value: (_, at) => (at === null ? "" : at % DAY ? asMoment(at) : asDay(at)),
        },
        ...series.map((line, index) => ({
          label: line.name,
          stroke: resolved(STROKES[index % STROKES.length]!),
          width: 2,
          ...(index === 1 ? { dash: [5, 4] } : {}),
          points: { show: times.length < 3 },
        })),
      ],
    },
    [times, ...series.map((line) => line.values)],
    box,
  );
  drawn.set(figure, plot);
};

const drawAll = (): void => {
  for (const figure of drawn.keys()) {
    if (!figure.isConnected) {
      drawn.get(figure)!.destroy();
      drawn.delete(figure);
    }
  }
  for (const figure of document.querySelectorAll<HTMLElement>("[data-chart]")) draw(figure);
};

export const startCharts = (): void => {
  drawAll();
  document.addEventListener("theme", drawAll);
  document.addEventListener("htmx:after:swap", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    drawAll();
  });
};
