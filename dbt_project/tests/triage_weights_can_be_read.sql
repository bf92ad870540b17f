{# The seed triage_weights as a user may have edited it. #}
{% set problems -%}
with weights as (

    select * from {{ ref('triage_weights') }}

)

select
    reason as what,
    'there is no such reason; DECISIONS.md names them under triage_candidates' as problem
from weights
where
    coalesce(
        reason not in (
            'sla_breached', 'sla_at_risk', 'unassigned', 'waiting_long', 'reopened', 'vip', 'no_category'
        ),
        true
    )
union all
select
    reason as what,
    'the reason needs one weight; 0 switches it off' as problem
from weights
group by reason
having count(*) <> count(weight) or count(*) > 1
{%- endset -%}
{{ refuse_problems('triage_weights', problems) }}
