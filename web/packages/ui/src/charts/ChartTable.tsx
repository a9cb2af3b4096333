import { useState } from 'react';
import { dateTime, type Zone, zoneName } from '../format';
import type { ChartSeries } from './TimeChart';
import classes from './TimeChart.module.css';

type ChartTableProps = {
  title: string;
  times: number[];
  series: ChartSeries[];
  zone: Zone;
  write: (value: number) => string;
};

/** The plot's figures as a table, newest first: for screen readers, and for everybody who wants the numbers. */
export function ChartTable({ title, times, series, zone, write }: ChartTableProps) {
  const [open, setOpen] = useState(false);
  return (
    <details className={classes.details} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className={classes.summary}>
        Show as a table<span className="sr-only">: {title}</span>
      </summary>
      {open && (
        <div className={classes.scroll} tabIndex={0} role="region" aria-label={`${title}, table`}>
          <table className={classes.table}>
            <caption className="sr-only">{title}</caption>
            <thead>
              <tr>
                <th scope="col">Time ({zoneName(zone)})</th>
                {series.map((line) => (
                  <th scope="col" key={line.role}>
                    {line.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>{times.map((_, index) => rowAt(times, series, times.length - 1 - index, zone, write))}</tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function rowAt(times: number[], series: ChartSeries[], index: number, zone: Zone, write: (value: number) => string) {
  const time = times[index] ?? 0;
  return (
    <tr key={time}>
      <th scope="row">{dateTime(new Date(time * 1000), zone)}</th>
      {series.map((line) => {
        const value = line.values[index];
        return <td key={line.role}>{value === null || value === undefined ? '–' : write(value)}</td>;
      })}
    </tr>
  );
}
