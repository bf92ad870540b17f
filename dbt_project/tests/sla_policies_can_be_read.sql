{# The seed sla_policies as a user may have edited it. #}
{% set problems -%}
with policies as (

    select
        *,
        coalesce(policy, 'no name') || ', ' || coalesce(metric, 'no metric') as what,
        ' ' || coalesce({{ lower_case('pauses_on') }}, '') || ' ' as pause_words
    from {{ ref('stg_seeds__sla_policies') }}

),

calendars as (

    select * from {{ ref('stg_seeds__business_calendars') }}

)

select
    what,
    'a policy needs a name and a place' as problem
from policies
where policy is null or place_text is null
union all
{{ misread_cells('policies', whole_numbers=['place', 'target_minutes'], days=['valid_from']) }}
union all
select
    what,
    'the metric is first_reply, next_reply or resolution' as problem
from policies
where coalesce(metric not in ('first_reply', 'next_reply', 'resolution'), true)
union all
select
    what,
    'target_minutes has to be above 0' as problem
from policies
where coalesce(target_minutes <= 0, target_minutes_text is null)
union all
select
    policies.what,
    'business_calendars has no such calendar: ' || policies.calendar as problem
from policies
left join calendars
    on policies.calendar = calendars.calendar
where calendars.calendar is null and policies.calendar is not null
union all
select
    what,
    'pauses_on has another word than waiting_on_customer, pending and hold: ' || pauses_on as problem
from policies
where
    trim(
        replace(
            replace(
                replace(replace(pause_words, ' ', '  '), ' waiting_on_customer ', ' '), ' pending ', ' '
            ),
            ' hold ', ' '
        )
    ) <> ''
{%- endset -%}
{{ refuse_problems('sla_policies', problems) }}
