import { Button, Group, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Card, CodeLine, format, IconCheck } from '@tollgate/ui';
import { useEffect, useRef } from 'react';
import { ButtonLink } from '../frame/links';
import { FirstCurl } from './FirstCurl';
import classes from './Import.module.css';
import type { ImportedApi } from './importApi';
import type { Remark } from './place';
import { apiQuery } from './queries';
import { Remarks } from './Remarks';
import { operationCount } from './tree';

type ImportedProps = { imported: ImportedApi; warnings: Remark[]; onAnother: () => void };

/** The end of an import: where to call the API, how, and what was left out on the way. */
export function Imported({ imported, warnings, onAnother }: ImportedProps) {
  const { data: api } = useQuery(apiQuery(imported.id));
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
                {imported.name} is {imported.pending ? 'imported, some gateway still takes it over' : 'live'}
              </h2>
              <p className={classes.doneLead}>
                {api
                  ? `${format.plural(operationCount(api.resources), 'operation')} on stage ${imported.stage}`
                  : `Stage ${imported.stage}`}
              </p>
            </div>
          </div>
          <div>
            <div className={classes.label}>Invoke URL</div>
            <CodeLine label="the invoke URL" text={imported.invokeUrl} />
          </div>
          <div>
            <div className={classes.label}>First call</div>
            <FirstCurl
              apiId={imported.id}
              apiName={imported.name}
              stage={imported.stage}
              invokeUrl={imported.invokeUrl}
            />
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
        <Remarks tone="warn" title={format.plural(warnings.length, 'warning')} remarks={warnings} />
      )}
    </Stack>
  );
}
