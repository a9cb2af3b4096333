import { Button, Stack } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { asProblem } from '@tollgate/client';
import { Card, CodeLine, ErrorView, Pill, When } from '@tollgate/ui';
import classes from './ApiPage.module.css';
import { deploy } from './deploy';
import { FirstCurl } from './FirstCurl';
import { type ApiDetail, apiQuery } from './queries';

/** Where the API is called, stage by stage, and what is not deployed yet. */
export function Stages({ api }: { api: ApiDetail }) {
  const queryClient = useQueryClient();
  const deploying = useMutation({
    mutationFn: (stage: string) => deploy(api.id, stage),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: apiQuery(api.id).queryKey }),
  });
  return (
    <Stack gap={16}>
      {deploying.error && <ErrorView failure={asProblem(deploying.error)} />}
      <div className={classes.stages}>
        {api.stages.map((stage) => (
          <Card key={stage.name}>
            <div className={classes.stageHead}>
              <Pill tone="accent">{stage.name}</Pill>
              <span className={classes.deployed}>
                deployed <When at={new Date(stage.updatedAt)} />
              </span>
              {stage.undeployedChanges && (
                <>
                  <Pill tone="warn">changes not deployed</Pill>
                  <Button
                    size="compact-sm"
                    ml="auto"
                    aria-label={`Deploy to ${stage.name}`}
                    loading={deploying.isPending && deploying.variables === stage.name}
                    onClick={() => deploying.mutate(stage.name)}
                  >
                    Deploy
                  </Button>
                </>
              )}
            </div>
            <Stack gap={8}>
              <CodeLine label={`the invoke URL of stage ${stage.name}`} text={stage.invokeUrl} />
              <FirstCurl apiId={api.id} apiName={api.name} stage={stage.name} invokeUrl={stage.invokeUrl} />
            </Stack>
          </Card>
        ))}
      </div>
    </Stack>
  );
}
