import { Card, CodeLine, EmptyState, IconApi } from '@tollgate/ui';
import { useQuery } from '@tanstack/react-query';
import { firstStageQuery } from '../apis/queries';
import { ButtonLink } from '../frame/links';

/** No call yet: the next step is a first API, or a first call to the one that is there. */
export function FirstCall() {
  const { data: stage, isPending } = useQuery(firstStageQuery);
  if (isPending) return null;
  if (!stage) {
    return (
      <Card>
        <EmptyState icon={<IconApi size={26} />} title="Publish your first API">
          <p>Bring an OpenAPI document: a file, an address, or paste it. It is callable through the gateway as soon as the import ends.</p>
          <ButtonLink to="/apis/import" search={{}}>
            Import an API
          </ButtonLink>
        </EmptyState>
      </Card>
    );
  }
  return (
    <Card>
      <EmptyState icon={<IconApi size={26} />} title="Make the first call">
        <p>
          <b>{stage.api}</b> is live on stage <b>{stage.name}</b>. Call it from a shell: the call appears here within two seconds.
        </p>
        <div style={{ width: '100%' }}>
          <CodeLine label="the curl command" text={stage.curl} prompt />
        </div>
      </EmptyState>
    </Card>
  );
}
