import { useQuery } from '@tanstack/react-query';
import { Card, EmptyState, IconApi } from '@tollgate/ui';
import { FirstCurl } from '../apis/FirstCurl';
import { newestStageQuery } from '../apis/queries';
import { ButtonLink } from '../frame/links';

/** No call yet: the next step is a first API, or a first call to the one that is there. */
export function FirstCall() {
  const { data: newest, isPending } = useQuery(newestStageQuery);
  if (isPending) return null;
  if (!newest) {
    return (
      <Card>
        <EmptyState icon={<IconApi size={26} />} title="Publish your first API">
          <p>
            Bring an OpenAPI document: a file, an address, or paste it. It is callable through the gateway as soon as
            the import ends.
          </p>
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
          <b>{newest.apiName}</b> is live on stage <b>{newest.stage}</b>. Call it from a shell: the call appears here
          within two seconds.
        </p>
        <FirstCurl {...newest} />
      </EmptyState>
    </Card>
  );
}
