import { type ReactNode, useEffect } from 'react';
import classes from './AuthLayout.module.css';
import { Logo } from './Logo';

type AuthLayoutProps = { title: string; lead: string; foot: ReactNode; children: ReactNode };

/** Frame of the screens before sign-in: one card in the middle. */
export function AuthLayout({ title, lead, foot, children }: AuthLayoutProps) {
  useEffect(() => {
    document.title = `${title} · Tollgate`;
  }, [title]);
  return (
    <main className={classes.page}>
      <div className={classes.column}>
        <div className={classes.brand}>
          <Logo size={36} />
          <span>Tollgate</span>
        </div>
        <div className={classes.card}>
          <h1 className={classes.title}>{title}</h1>
          <p className={classes.lead}>{lead}</p>
          {children}
        </div>
        <p className={classes.foot}>{foot}</p>
      </div>
    </main>
  );
}
