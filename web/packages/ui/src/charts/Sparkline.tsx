import { count } from '../format';

type SparklineProps = { values: number[]; label: string };

const WIDTH = 96;
const HEIGHT = 26;

/** The course of a number in the space of a table cell; its sum is what a screen reader hears. */
export function Sparkline({ values, label }: SparklineProps) {
  const top = Math.max(1, ...values);
  const sum = values.reduce((total, value) => total + value, 0);
  const x = (index: number) => (index / Math.max(1, values.length - 1)) * (WIDTH - 2) + 1;
  const y = (value: number) => HEIGHT - 2 - (value / top) * (HEIGHT - 5);
  const line = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  return (
    <svg
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`${label}: ${count(sum)}`}
    >
      <polygon points={`1,${HEIGHT} ${line} ${WIDTH - 1},${HEIGHT}`} fill="var(--tg-accent)" fillOpacity="0.14" />
      <polyline points={line} fill="none" stroke="var(--tg-accent)" strokeWidth="1.6" strokeLinejoin="round" />
    </svg>
  );
}
