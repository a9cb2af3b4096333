import { Link } from '@tanstack/react-router';
import { IconCheck } from '@tollgate/ui';
import type { Plan, Product } from '../api';
import classes from './Catalog.module.css';
import { price, terms } from './terms';

type PlanCardProps = { plan: Plan; product: Product };

export function PlanCard({ plan, product }: PlanCardProps) {
  return (
    <div className={classes.plan}>
      <h3 className={classes.name}>{plan.name}</h3>
      <p className={classes.price}>
        <PlanPrice plan={plan} />
      </p>
      {plan.description && <p className={classes.text}>{plan.description}</p>}
      <PlanTerms plan={plan} />
      <Link
        to="/subscribe/$planId"
        params={{ planId: plan.id }}
        className={classes.subscribe}
        aria-label={`Subscribe to ${product.name}, ${plan.name}`}
      >
        Subscribe
      </Link>
    </div>
  );
}

export function PlanPrice({ plan }: { plan: Plan }) {
  return (
    <>
      <b>{price(plan.price)}</b> <span>a month</span>
    </>
  );
}

export function PlanTerms({ plan }: { plan: Plan }) {
  return (
    <ul className={classes.terms}>
      {terms(plan).map((term) => (
        <li key={term}>
          <IconCheck size={16} aria-hidden />
          {term}
        </li>
      ))}
    </ul>
  );
}
