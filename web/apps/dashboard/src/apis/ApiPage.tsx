import { PageHeader } from '@tollgate/ui';

export function ApiPage() {
  return <PageHeader title="ApiPage" />;
}
