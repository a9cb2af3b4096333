import type { ReactNode } from 'react';
import classes from './AuthLayout.module.css';
import { Logo } from './Logo';
import { PageTitle } from './PageHeader';

type AuthLayoutProps = { title: string; lead: string; foot?: ReactNode; embedded?: boolean; children: ReactNode };

/** Frame of the screens before sign-in: one card in the middle; `embedded` within a frame that names the place already. */
export function AuthLayout({ title, lead, foot, embedded, children }: AuthLayoutProps) {
  return (
    <main className={classes.page} data-embedded={embedded || undefined}>
      <PageTitle title={title} />
      <div className={classes.column}>
        {!embedded && (
          <div className={classes.brand}>
            <Logo size={36} />
            <span>Tollgate</span>
          </div>
        )}
        <div className={classes.card}>
          <h1 className={classes.title}>{title}</h1>
          <p className={classes.lead}>{lead}</p>
          {children}
        </div>
        {foot && <p className={classes.foot}>{foot}</p>}
      </div>
    </main>
  );
}
