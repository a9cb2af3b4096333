import { PageHeader } from '@tollgate/ui';

export function ApiList() {
  return <PageHeader title="ApiList" />;
}
