import { Button, Stack, Table } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { asProblem } from '@tollgate/client';
import { Card, ErrorView, format, IconRollback, Pill } from '@tollgate/ui';
import { useState } from 'react';
import classes from './ApiPage.module.css';
import { rollBack } from './deploy';
import { type ApiDetail, apiQuery } from './queries';

type Target = { stage: string; deploymentId: string };

/** What was deployed when; any deployment can be put back on a stage. */
export function Deployments({ api }: { api: ApiDetail }) {
  const queryClient = useQueryClient();
  const [asked, setAsked] = useState<Target | null>(null);
  const rolling = useMutation({
    mutationFn: (target: Target) => rollBack(api.id, target.stage, target.deploymentId),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: apiQuery(api.id).queryKey }),
    onSettled: () => setAsked(null),
  });

  if (api.deployments.nodes.length === 0) {
    return (
      <Card>
        <p className={classes.quiet}>Nothing has been deployed yet.</p>
      </Card>
    );
  }
  return (
    <Stack gap={16}>
      {rolling.error && <ErrorView failure={asProblem(rolling.error)} />}
      <Card
        flush
        title="Deployments"
        aside={
          <div role="status">
            {rolling.isSuccess && (
              <Pill tone="good">
                {rolling.variables.stage} serves {rolling.variables.deploymentId}
              </Pill>
            )}
          </div>
        }
      >
        <Table className="tg-table">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Deployed</Table.Th>
              <Table.Th className={classes.serves}>Serves</Table.Th>
              <Table.Th ta="right">Roll back</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {api.deployments.nodes.map((deployment) => (
              <Table.Tr key={deployment.id}>
                <Table.Td className={classes.deployment}>
                  <div>{format.dateTime(new Date(deployment.createdAt), 'local')}</div>
                  <div className={classes.deploymentId} title={deployment.id}>
                    <code>{deployment.id}</code>
                  </div>
                  {deployment.description && <div className={classes.count}>{deployment.description}</div>}
                  <div className={classes.servesBelow}>
                    <Serving api={api} deploymentId={deployment.id} />
                  </div>
                </Table.Td>
                <Table.Td className={classes.serves}>
                  <Serving api={api} deploymentId={deployment.id} />
                </Table.Td>
                <Table.Td>
                  <Actions
                    api={api}
                    deploymentId={deployment.id}
                    asked={asked}
                    busy={rolling.isPending}
                    onAsk={setAsked}
                    onConfirm={(target) => rolling.mutate(target)}
                  />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Card>
    </Stack>
  );
}

/** The stages that serve a deployment. */
function Serving({ api, deploymentId }: { api: ApiDetail; deploymentId: string }) {
  return (
    <div className={classes.pills}>
      {api.stages
        .filter((stage) => stage.deploymentId === deploymentId)
        .map((stage) => (
          <Pill key={stage.name} tone="accent">
            {stage.name}
          </Pill>
        ))}
    </div>
  );
}

type ActionsProps = {
  api: ApiDetail;
  deploymentId: string;
  asked: Target | null;
  busy: boolean;
  onAsk: (target: Target | null) => void;
  onConfirm: (target: Target) => void;
};

/** One button per stage that serves something else; the second press confirms in the same place. */
function Actions({ api, deploymentId, asked, busy, onAsk, onConfirm }: ActionsProps) {
  const stages = api.stages.filter((stage) => stage.deploymentId !== deploymentId);
  return (
    <div className={classes.actions}>
      {stages.map(({ name: stage }) => {
        const sure = asked?.stage === stage && asked.deploymentId === deploymentId;
        const target = { stage, deploymentId };
        return (
          <Button
            key={stage}
            size="compact-sm"
            variant={sure ? 'filled' : 'default'}
            loading={sure && busy}
            aria-label={sure ? undefined : `Roll ${stage} back to ${deploymentId}`}
            leftSection={<IconRollback size={14} aria-hidden />}
            onClick={() => (sure ? onConfirm(target) : onAsk(target))}
            onBlur={() => sure && !busy && onAsk(null)}
          >
            {sure ? `Confirm for ${stage}` : stage}
          </Button>
        );
      })}
    </div>
  );
}
