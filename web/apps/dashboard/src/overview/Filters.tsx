import { Segments, segment } from '@tollgate/ui';
import { getRouteApi, Link } from '@tanstack/react-router';
import classes from './Overview.module.css';
import { RANGES, type RangeName } from './range';

const route = getRouteApi('/signed-in/');

/** Range and time zone; each choice is a link, so that a view can be sent to somebody. */
export function Filters() {
  const { range = '24h', zone = 'utc' } = route.useSearch();
  return (
    <div className={classes.filters}>
      <Segments label="Range">
        {(Object.keys(RANGES) as RangeName[]).map((name) => (
          <Link key={name} to="/" search={(search) => ({ ...search, range: name })} className={segment} aria-current={name === range} activeProps={{}} replace>
            {RANGES[name].label}
          </Link>
        ))}
      </Segments>
      <Segments label="Time zone">
        <Link to="/" search={(search) => ({ ...search, zone: 'utc' })} className={segment} aria-current={zone === 'utc'} replace>
          UTC
        </Link>
        <Link to="/" search={(search) => ({ ...search, zone: 'local' })} className={segment} aria-current={zone === 'local'} replace>
          Local
        </Link>
      </Segments>
    </div>
  );
}
