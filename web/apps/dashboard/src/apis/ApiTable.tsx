import { Table } from '@mantine/core';
import { CopyButton, format, Pill, Sparkline, When } from '@tollgate/ui';
import { TextLink } from '../frame/links';
import classes from './ApiTable.module.css';
import type { ApiNode } from './queries';
import type { Traffic } from './traffic';

const QUIET: Traffic = { hourly: [], errors: 0, calls: 0 };

export function ApiTable({ apis, traffic }: { apis: ApiNode[]; traffic: Map<string, Traffic> | undefined }) {
  return (
    <div className={classes.container}>
      <Table className="tg-table" highlightOnHover highlightOnHoverColor="var(--tg-sunken)">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th className={classes.stagesColumn}>Stages</Table.Th>
            <Table.Th className={classes.right}>Calls, 24 h</Table.Th>
            <Table.Th className={`${classes.right} ${classes.wide}`}>Errors</Table.Th>
            <Table.Th className={classes.wide}>Last deploy</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {apis.map((api) => (
            <Row key={api.id} api={api} traffic={traffic?.get(api.id) ?? QUIET} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Row({ api, traffic }: { api: ApiNode; traffic: Traffic }) {
  const last = api.stages.map((stage) => Date.parse(stage.updatedAt)).toSorted((a, b) => b - a)[0];
  const stages = <Stages api={api} />;
  return (
    <Table.Tr>
      <Table.Td>
        <TextLink to="/apis/$apiId" params={{ apiId: api.id }} search={{}} inherit fw={580}>
          {api.name}
        </TextLink>
        <div className={classes.stagesBelow}>{stages}</div>
      </Table.Td>
      <Table.Td className={classes.stagesColumn}>{stages}</Table.Td>
      <Table.Td className={`num ${classes.right}`}>
        <span className={classes.calls}>
          {traffic.calls > 0 && (
            <span className={classes.spark}>
              <Sparkline values={traffic.hourly} label="Calls by hour" />
            </span>
          )}
          {format.count(traffic.calls)}
        </span>
      </Table.Td>
      <Table.Td className={`num ${classes.right} ${classes.wide}`}>
        {traffic.calls === 0 ? '–' : format.percent(traffic.errors / traffic.calls)}
      </Table.Td>
      <Table.Td className={classes.wide}>{last === undefined ? 'never' : <When at={new Date(last)} />}</Table.Td>
    </Table.Tr>
  );
}

function Stages({ api }: { api: ApiNode }) {
  return (
    <ul className={classes.stages}>
      {api.stages.map((stage) => (
        <li key={stage.name} className={classes.stage}>
          <Pill tone="accent">{stage.name}</Pill>
          <code className={classes.url} title={stage.invokeUrl}>
            <span className={classes.host}>{new URL(stage.invokeUrl).host}</span>
            {new URL(stage.invokeUrl).pathname}
          </code>
          <CopyButton text={stage.invokeUrl} label={`the invoke URL of ${api.name}, stage ${stage.name}`} />
        </li>
      ))}
    </ul>
  );
}
