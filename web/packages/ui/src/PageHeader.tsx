import { createContext, type ReactNode, useContext, useEffect } from 'react';
import classes from './PageHeader.module.css';

type PageHeaderProps = { title: string; above?: ReactNode; below?: ReactNode; children?: ReactNode };

/** Whose site it is, for the browser tab. */
export const SiteName = createContext('Tollgate');

/** Names the browser tab. */
export function PageTitle({ title }: { title: string }) {
  const site = useContext(SiteName);
  useEffect(() => {
    document.title = `${title} · ${site}`;
  }, [title, site]);
  return null;
}

/** Name of the page (also of the browser tab) and the actions that hold for all of it. */
export function PageHeader({ title, above, below, children }: PageHeaderProps) {
  return (
    <div className={classes.header}>
      <PageTitle title={title} />
      <div className={classes.titles}>
        {above}
        <h1 className={classes.title}>{title}</h1>
        {below}
      </div>
      {children !== undefined && <div className={classes.actions}>{children}</div>}
    </div>
  );
}
