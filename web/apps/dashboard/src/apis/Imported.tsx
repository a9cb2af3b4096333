import { Card, CodeLine, format, IconAlert, IconCheck } from '@tollgate/ui';
import { Button, Group, Stack } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { ButtonLink } from '../frame/links';
import classes from './Import.module.css';
import type { ImportedApi } from './importApi';

type ImportedProps = { imported: ImportedApi; warnings: string[]; onAnother: () => void };

/** The end of an import: where to call the API, how, and what was left out on the way. */
export function Imported({ imported, warnings, onAnother }: ImportedProps) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);
  return (
    <Stack gap={16}>
      <Card>
        <div className={classes.done}>
          <div className={classes.doneHead}>
            <span className={classes.tick}>
              <IconCheck size={22} aria-hidden />
            </span>
            <div>
              <h2 className={classes.doneTitle} ref={title} tabIndex={-1}>
                {imported.name} is live
              </h2>
              <p className={classes.doneLead}>
                {format.count(imported.operations)} operations on stage {imported.stage}
              </p>
            </div>
          </div>
          <div>
            <div className={classes.label}>Invoke URL</div>
            <CodeLine label="the invoke URL" text={imported.invokeUrl} />
          </div>
          <div>
            <div className={classes.label}>First call</div>
            <CodeLine label="the curl command" text={imported.curl} prompt />
          </div>
          <Group gap={10}>
            <ButtonLink to="/apis/$apiId" params={{ apiId: imported.id }} search={{}}>
              Open the API
            </ButtonLink>
            <Button variant="default" onClick={onAnother}>
              Import another
            </Button>
          </Group>
        </div>
      </Card>
      {warnings.length > 0 && (
        <section className={classes.panel} data-tone="warn" aria-label="Warnings">
          <h2 className={classes.panelTitle}>
            <IconAlert size={18} aria-hidden />
            {warnings.length === 1 ? '1 warning' : `${warnings.length} warnings`}
          </h2>
          <ul className={classes.list}>
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </section>
      )}
    </Stack>
  );
}
