import { Problem } from '@tollgate/client';
import { graphql, query } from '@tollgate/client/graphql';

const PLAN = graphql(`
  mutation TestPlan($input: UsagePlanCreateInput!) {
    usagePlanCreate(input: $input) {
      usagePlan { id }
      errors { message reason }
    }
  }
`);

const KEY = graphql(`
  mutation TestKey($input: ApiKeyCreateInput!) {
    apiKeyCreate(input: $input) {
      value
      errors { message reason }
    }
  }
`);

/** A key of one's own for one stage, without limits. Returns its value. */
export async function makeTestKey(apiId: string, apiName: string, stage: string): Promise<string> {
  const name = `Test of ${apiName}, ${stage}`;
  const { usagePlanCreate } = await query(PLAN, { input: { name, stages: [{ apiId, stage }] } });
  const planId = usagePlanCreate.usagePlan?.id;
  if (!planId) throw refused(usagePlanCreate.errors);
  const { apiKeyCreate } = await query(KEY, { input: { name, usagePlanIds: [planId] } });
  if (!apiKeyCreate.value) throw refused(apiKeyCreate.errors);
  return apiKeyCreate.value;
}

function refused([error]: { message: string; reason: string }[]): Problem {
  return new Problem({ title: 'No key was made', detail: error?.message, code: error?.reason });
}
