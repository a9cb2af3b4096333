import { useComputedColorScheme } from '@mantine/core';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { dateTime, type Zone, zoneName } from '../format';
import { clampIndex, isolated, timeLabels } from './axis';
import { ChartTable } from './ChartTable';
import { AXIS_TEXT, faded, GRID, GROUND, LINES, type Role, type Scheme } from './palette';
import classes from './TimeChart.module.css';

export type ChartSeries = { label: string; role: Role; values: (number | null)[]; total?: string };

type TimeChartProps = {
  title: string;
  /** Unix seconds, ascending, one per value. */
  times: number[];
  series: ChartSeries[];
  zone: Zone;
  write: (value: number) => string;
  writeAxis?: (value: number) => string;
  area?: boolean;
  /** The last step is still running: its ground is shaded, for a count in it is not comparable yet. */
  running?: boolean;
};

const HEIGHT = 248;

/**
 * Lines over time. Lines differ by dash pattern as well as colour; the legend repeats the pattern; arrow keys move the
 * cursor; the same figures stand in a table below.
 */
export function TimeChart({ title, times, series, zone, write, writeAxis = write, area, running }: TimeChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const scheme = useComputedColorScheme('light');
  const roles = series.map((line) => line.role).join(' ');
  const data = [times, ...series.map(drawnValues)] as uPlot.AlignedData;
  const latest = useRef({ data, writeAxis });

  useEffect(() => {
    latest.current = { data, writeAxis };
    plot.current?.setData(data);
  });

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const options = plotOptions({
      width: element.clientWidth,
      scheme,
      zone,
      roles: roles.split(' ') as Role[],
      area: area ?? false,
      running: running ?? false,
      writeAxis: (value) => latest.current.writeAxis(value),
      onCursor: (index) => setCursor(index),
    });
    const drawn = new uPlot(options, latest.current.data, element);
    plot.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [scheme, zone, roles, area, running]);

  const move = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const drawn = plot.current;
    if (!step || !drawn) return;
    event.preventDefault();
    const index = clampIndex((cursor ?? (step > 0 ? -1 : times.length)) + step, times.length);
    drawn.setCursor({ left: drawn.valToPos(times[index] ?? 0, 'x'), top: HEIGHT / 3 });
  };

  const at = cursor === null ? undefined : times[cursor];
  return (
    <figure className={classes.figure}>
      <div className={classes.legend} aria-hidden="true">
        {series.map((line) => (
          <span key={line.role} className={classes.item}>
            <Swatch role={line.role} scheme={scheme} />
            {line.label}
            <b className="num">{cursor === null ? (line.total ?? '') : writeOr(line.values[cursor], write)}</b>
          </span>
        ))}
      </div>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the arrow keys do what the pointer does */}
      <div
        className={classes.plot}
        ref={box}
        role="img"
        aria-label={describe(title, series, times, zone)}
        tabIndex={0}
        onKeyDown={move}
        onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
      />
      <div className={classes.foot}>
        <ChartTable title={title} times={times} series={series} zone={zone} write={write} />
        <span className={classes.moment} aria-hidden="true">
          {at === undefined ? (running ? 'shaded: still counting' : '') : dateTime(new Date(at * 1000), zone)}
        </span>
      </div>
    </figure>
  );
}

function Swatch({ role, scheme }: { role: Role; scheme: Scheme }) {
  const line = LINES[role];
  return (
    <svg width="22" height="8" aria-hidden="true">
      <line
        x1="1"
        x2="21"
        y1="4"
        y2="4"
        stroke={line[scheme]}
        strokeWidth="2.4"
        strokeDasharray={line.dash.join(' ')}
      />
    </svg>
  );
}

/** A line that never leaves zero would only cover the first one: it is not drawn, the legend says 0. */
function drawnValues({ values }: ChartSeries, index: number): (number | null)[] {
  return index === 0 || values.some((value) => value) ? values : values.map(() => null);
}

function writeOr(value: number | null | undefined, write: (value: number) => string): string {
  return value === null || value === undefined ? '–' : write(value);
}

function describe(title: string, series: ChartSeries[], times: number[], zone: Zone): string {
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined) return title;
  const range = `${dateTime(new Date(first * 1000), zone)} to ${dateTime(new Date(last * 1000), zone)} ${zoneName(zone)}`;
  const totals = series.filter((line) => line.total).map((line) => `${line.label} ${line.total}`);
  return [`${title}, ${range}`, ...totals].join('; ');
}

type PlotOptions = {
  width: number;
  scheme: Scheme;
  zone: Zone;
  roles: Role[];
  area: boolean;
  running: boolean;
  writeAxis: (value: number) => string;
  onCursor: (index: number | null) => void;
};

function plotOptions({ width, scheme, zone, roles, area, running, writeAxis, onCursor }: PlotOptions): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: AXIS_TEXT[scheme],
    font: "12px 'Inter Variable', system-ui, sans-serif",
    grid: { stroke: GRID[scheme], width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    tzDate: (seconds) =>
      zone === 'utc' ? uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') : new Date(seconds * 1000),
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 8, width: 2, fill: GROUND[scheme] },
    },
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.12 : 1] } },
    axes: [
      {
        ...axis,
        size: 44,
        gap: 10,
        space: 64,
        grid: { show: false },
        values: (_, splits, ___, ____, step) => timeLabels(splits, step, zone),
      },
      {
        ...axis,
        size: (_, labels) => 18 + 7 * Math.max(0, ...(labels ?? []).map((label) => label.length)),
        gap: 6,
        space: 44,
        values: (_, splits) => splits.map(writeAxis),
      },
    ],
    series: [
      {},
      ...roles.map((role, index): uPlot.Series => {
        const line = LINES[role];
        const colour = line[scheme];
        return {
          stroke: colour,
          width: 2,
          ...(line.dash.length > 0 && { dash: line.dash }),
          ...(area && index === 0 && { fill: (u: uPlot) => gradient(u, colour) }),
          // A value between two gaps has no line to either side: it is a dot.
          points: { show: false, filter: (u, at) => isolated(u.data[at] ?? []), size: 6, width: 0, fill: colour },
          spanGaps: false,
        };
      }),
    ],
    hooks: {
      setCursor: [(u) => onCursor(u.cursor.idx ?? null)],
      ...(running && { drawClear: [(u) => shadeLastStep(u, GRID[scheme])] }),
    },
  };
}

function gradient(u: uPlot, colour: string): CanvasGradient | string {
  const { top, height } = u.bbox;
  if (height === 0) return faded(colour, 0.12);
  const fill = u.ctx.createLinearGradient(0, top, 0, top + height);
  fill.addColorStop(0, faded(colour, 0.26));
  fill.addColorStop(1, faded(colour, 0.02));
  return fill;
}

function shadeLastStep(u: uPlot, colour: string) {
  const [times] = u.data;
  const [from, to] = [times.at(-2), times.at(-1)];
  if (from === undefined || to === undefined) return;
  const left = u.valToPos(from, 'x', true);
  u.ctx.fillStyle = faded(colour, 0.7);
  u.ctx.fillRect(left, u.bbox.top, u.valToPos(to, 'x', true) - left, u.bbox.height);
}
