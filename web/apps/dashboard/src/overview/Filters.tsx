import { getRouteApi } from '@tanstack/react-router';
import { Segments } from '@tollgate/ui';
import { SegmentLink } from '../frame/links';
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
          <SegmentLink
            key={name}
            to="/"
            search={(search) => ({ ...search, range: name })}
            current={name === range}
            replace
          >
            {RANGES[name].label}
          </SegmentLink>
        ))}
      </Segments>
      <Segments label="Time zone">
        <SegmentLink to="/" search={(search) => ({ ...search, zone: 'utc' })} current={zone === 'utc'} replace>
          UTC
        </SegmentLink>
        <SegmentLink to="/" search={(search) => ({ ...search, zone: 'local' })} current={zone === 'local'} replace>
          Local
        </SegmentLink>
      </Segments>
    </div>
  );
}
