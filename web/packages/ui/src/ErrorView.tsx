import { Button } from '@mantine/core';
import { CopyButton } from './Copy';
import classes from './ErrorView.module.css';
import { IconAlert, IconRefresh } from './icons';

export type Failure = {
  title: string;
  detail?: string | undefined;
  code?: string | undefined;
  requestId?: string | undefined;
};

/** What went wrong, the id under which the server knows it, and the way to try again. */
export function ErrorView({ failure, onRetry }: { failure: Failure; onRetry?: () => void }) {
  return (
    <div className={classes.error} role="alert">
      <IconAlert size={20} aria-hidden className={classes.icon} />
      <div className={classes.body}>
        <p className={classes.title}>{failure.title}</p>
        {failure.detail && <p className={classes.detail}>{failure.detail}</p>}
        {(failure.code || failure.requestId) && (
          <p className={classes.ids}>
            {failure.code && <code>{failure.code}</code>}
            {failure.requestId && (
              <span className={classes.request}>
                request <code>{failure.requestId}</code>
                <CopyButton text={failure.requestId} label="the request id" />
              </span>
            )}
          </p>
        )}
        {onRetry && (
          <Button
            variant="default"
            size="xs"
            mt={10}
            leftSection={<IconRefresh size={15} aria-hidden />}
            onClick={onRetry}
          >
            Try again
          </Button>
        )}
      </div>
    </div>
  );
}
