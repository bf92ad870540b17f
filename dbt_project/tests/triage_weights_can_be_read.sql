{# The seed triage_weights as a user may have edited it. #}
{% set problems -%}
with weights as (

    select
        *,
        coalesce(reason, 'no reason') as what
    from {{ ref('stg_seeds__triage_weights') }}

)

select
    what,
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
{{ misread_cells('weights', whole_numbers=['weight']) }}
union all
select
    what,
    'the reason needs one weight; 0 switches it off' as problem
from weights
group by what
having count(*) <> count(weight_text) or count(*) > 1
{%- endset -%}
{{ refuse_problems('triage_weights', problems) }}
