import { Card, format, type Zone } from '@tollgate/ui';
import { type ChartSeries, TimeChart } from '@tollgate/ui/chart';
import { classSeries, classTotal, measured, type StatusClass } from './figures';
import type { UsageSpan } from './range';
import type { Overview } from './usage';

type PlotProps = { overview: Overview; span: UsageSpan; zone: Zone };

const ROLES: { name: StatusClass; label: string; role: ChartSeries['role'] }[] = [
  { name: '2xx', label: '2xx success', role: 'success' },
  { name: '3xx', label: '3xx redirect', role: 'redirect' },
  { name: '4xx', label: '4xx client', role: 'clientError' },
  { name: '5xx', label: '5xx server', role: 'serverError' },
];

export function CallsPlot({ overview, span, zone }: PlotProps) {
  const values = classSeries(overview.classes.rows, span.times, new Date(overview.classes.asOf));
  const series = ROLES.map(({ name, label, role }) => {
    const total = classTotal(overview.classes.rows, name);
    return { label, role, values: values[name], total: format.count(total), seen: total > 0 };
  }).filter((line) => line.seen || line.role !== 'redirect');
  const title = `Calls per ${format.stepName(span.stepSeconds)}`;
  return (
    <Card title={title}>
      <TimeChart
        title={`${title} by status class`}
        times={span.times}
        series={series}
        zone={zone}
        write={format.count}
        writeAxis={format.compact}
        area
        running
      />
    </Card>
  );
}

export function LatencyPlot({ overview, span, zone }: PlotProps) {
  const { rows } = overview.latency;
  const series: ChartSeries[] = [
    { label: 'p50', role: 'p50', values: measured(rows, span.times, (row) => row.p50Ms) },
    { label: 'p95', role: 'p95', values: measured(rows, span.times, (row) => row.p95Ms) },
    { label: 'p99', role: 'p99', values: measured(rows, span.times, (row) => row.p99Ms) },
  ];
  return (
    <Card title="Latency">
      <TimeChart title="Latency percentiles" times={span.times} series={series} zone={zone} write={format.millis} />
    </Card>
  );
}
