import { Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Card, format, Segments } from '@tollgate/ui';
import { apiNamesQuery, keyNamesQuery } from '../apis/queries';
import { SegmentLink, TextLink } from '../frame/links';
import { groupValue } from '../usageGroup';
import classes from './Overview.module.css';
import type { TopBy } from './search';
import type { Overview } from './usage';

type TopRow = Overview['top']['rows'][number];

/** The busiest APIs or keys of the range. */
export function Top({ rows, by }: { rows: TopRow[]; by: TopBy }) {
  const { data: names } = useQuery(by === 'api' ? apiNamesQuery : keyNamesQuery);
  const busiest = rows.toSorted((a, b) => b.requests - a.requests).slice(0, 8);
  const all = rows.reduce((sum, row) => sum + row.requests, 0);
  return (
    <Card
      title={by === 'api' ? 'Busiest APIs' : 'Busiest keys'}
      flush
      aside={
        <Segments label="Group by">
          <SegmentLink
            to="/"
            search={(search) => ({ ...search, by: 'api' as const })}
            current={by === 'api'}
            replace
            resetScroll={false}
          >
            APIs
          </SegmentLink>
          <SegmentLink
            to="/"
            search={(search) => ({ ...search, by: 'key' as const })}
            current={by === 'key'}
            replace
            resetScroll={false}
          >
            Keys
          </SegmentLink>
        </Segments>
      }
    >
      <Table className="tg-table">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{by === 'api' ? 'API' : 'Key'}</Table.Th>
            <Table.Th className={classes.share}>Share of calls</Table.Th>
            <Table.Th className={classes.right}>Calls</Table.Th>
            <Table.Th className={`${classes.right} ${classes.units}`}>Units</Table.Th>
            <Table.Th className={classes.right}>p95</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {busiest.map((row) => {
            const id = groupValue(row.group, by);
            return (
              <Table.Tr key={id}>
                <Table.Td>
                  {by === 'api' ? <ApiName id={id} name={names?.get(id)} /> : <KeyName id={id} name={names?.get(id)} />}
                </Table.Td>
                <Table.Td className={classes.share}>
                  <span className={classes.bar} aria-hidden>
                    <span style={{ width: `${(100 * row.requests) / Math.max(1, all)}%` }} />
                  </span>
                  <span className="sr-only">{format.percent(row.requests / Math.max(1, all))}</span>
                </Table.Td>
                <Table.Td className={`num ${classes.right}`}>{format.count(row.requests)}</Table.Td>
                <Table.Td className={`num ${classes.right} ${classes.units}`}>{format.count(row.quotaUnits)}</Table.Td>
                <Table.Td className={`num ${classes.right}`}>{format.millis(row.p95Ms)}</Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Card>
  );
}

function ApiName({ id, name }: { id: string; name: string | undefined }) {
  if (!id) return <>no API matched</>;
  return (
    <TextLink to="/apis/$apiId" params={{ apiId: id }} search={{}} inherit fw={550}>
      {name ?? id}
    </TextLink>
  );
}

function KeyName({ id, name }: { id: string; name: string | undefined }) {
  if (!id) return <>without a known key</>;
  return name ? <span title={id}>{name}</span> : <code>{id}</code>;
}
