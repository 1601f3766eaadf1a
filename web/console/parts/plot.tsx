// A small plot that moves.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock } from "../format";
import { THEME_CHANGED } from "../theme";

export interface Series {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

interface PlotProps {
  title: string;
  /** Seconds since 1970. */
  times: readonly number[];
  series: readonly Series[];
  /** What is shown of the past. */
  seconds: number;
  show(value: number): string;
}

const HEIGHT_PX = 130;
/** Names of properties in the style sheet. */
const COLOURS = ["--plot1", "--plot2", "--plot3"];

export function Plot({ title, times, series, seconds, show }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = [times, ...series.map(({ values }) => values)] as uPlot.AlignedData;
  const current = useRef(data);
  current.current = data;

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element, series.map(({ label }) => label), seconds, show), current.current, element);
    };
    draw();
    const sizing = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    sizing.observe(element);
    // A canvas has its colours from the time when it was drawn.
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    window.addEventListener(THEME_CHANGED, draw);
    return () => {
      sizing.disconnect();
      dark.removeEventListener("change", draw);
      window.removeEventListener(THEME_CHANGED, draw);
      plot.current?.destroy();
    };
  }, [series.length]);
  useEffect(() => plot.current?.setData(current.current), [times.at(-1)]);

  return (
    <figure class="plot">
      <figcaption>
        {title}
        {series.map(({ label, values }, at) => {
          const last = values.at(-1);
          return <span key={label}><i class={`swatch swatch${at + 1}`} />{series.length > 1 && `${label} `}<strong class="number">{typeof last === "number" ? show(last) : "–"}</strong></span>;
        })}
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  );
}

function options(element: HTMLElement, labels: readonly string[], seconds: number, show: (value: number) => string): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name);
  // A canvas knows no properties and no `light-dark()`: what they come to is the colour of an element.
  const seen = (name: string) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    element.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
  const axis = { stroke: seen("--muted"), grid: { stroke: seen("--edge"), width: 1 }, ticks: { show: false }, font: `11px ${colour("font-family")}` };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    // The newest is at the right from the first on.
    scales: { x: { range: (_plot, _min, max) => [(max ?? 0) - seconds, max ?? 0] }, y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, space: 80, size: 26, values: (_plot, splits) => splits.map((at) => clock(new Date(at * 1000))) },
      { ...axis, size: 56, values: (_plot, splits) => splits.map((at) => show(at)) },
    ],
    series: [{}, ...labels.map((label, at) => ({ label, stroke: seen(COLOURS[at] ?? "--plot1"), width: 1.5, points: { show: false } }))],
  };
}
