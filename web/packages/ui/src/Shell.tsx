import { type ReactNode, useEffect, useId, useState } from 'react';
import { IconClose, IconMenu } from './icons';
import { Logo } from './Logo';
import { SchemeSwitch } from './SchemeSwitch';
import classes from './Shell.module.css';

type ShellProps = {
  /** Where the signed-in person is: the organization's name, or what the app is called. */
  place: string;
  nav: ReactNode;
  account: ReactNode;
  /** Changes with the page: closes the menu on small screens. */
  page: string;
  children: ReactNode;
};

/** Frame of every signed-in screen: navigation at the left, on small screens behind a button at the top. */
export function Shell({ place, nav, account, page, children }: ShellProps) {
  const [openOn, setOpenOn] = useState<string | null>(null);
  const open = openOn === page;
  const menu = useId();

  useEffect(() => {
    if (!open) return;
    const close = (event: KeyboardEvent) => event.key === 'Escape' && setOpenOn(null);
    document.addEventListener('keydown', close);
    return () => document.removeEventListener('keydown', close);
  }, [open]);

  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">
        Skip to content
      </a>
      <header className={classes.side} data-open={open || undefined}>
        <div className={classes.column}>
          <div className={classes.brand}>
            <Logo />
            <div className={classes.names}>
              <span className={classes.product}>Tollgate</span>
              <span className={classes.place}>{place}</span>
            </div>
            <button
              type="button"
              className={classes.toggle}
              aria-expanded={open}
              aria-controls={menu}
              aria-label={open ? 'Close menu' : 'Open menu'}
              onClick={() => setOpenOn(open ? null : page)}
            >
              {open ? <IconClose size={20} aria-hidden /> : <IconMenu size={20} aria-hidden />}
            </button>
          </div>
          <div className={classes.menu} id={menu}>
            <nav aria-label="Main" className={classes.nav}>
              {nav}
            </nav>
            <div className={classes.foot}>
              <SchemeSwitch />
              {account}
            </div>
          </div>
        </div>
      </header>
      <main id="main" className={classes.main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

/** Class of a link in the shell's navigation; the app's router makes the link. */
export const navLink = classes.navLink ?? '';
