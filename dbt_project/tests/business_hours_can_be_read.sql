{# The seeds business_hours and business_holidays as a user may have edited them. #}
{% set problems -%}
{% set time_of_day = '^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$' -%}
with stretches as (

    select
        'business_hours' as seed,
        calendar,
        'weekday ' || cast(weekday as {{ dbt.type_string() }}) as on_day,
        opens_at,
        closes_at
    from {{ ref('business_hours') }}
    union all
    select
        'business_holidays' as seed,
        calendar,
        cast(holiday_on as {{ dbt.type_string() }}) as on_day,
        opens_at,
        closes_at
    from {{ ref('business_holidays') }}

),

told_stretches as (

    select
        *,
        seed || ', ' || coalesce(calendar, 'no calendar') || ', ' || coalesce(on_day, 'no day') || ', '
        || coalesce(opens_at, '') || ' to ' || coalesce(closes_at, '') as what,
        coalesce({{ regex_matches('opens_at', time_of_day) }} and {{ regex_matches('closes_at', time_of_day) }}, false)
            as is_told
    from stretches

),

stretches_in_order as (

    select
        *,
        lag(closes_at) over (partition by seed, calendar, on_day order by opens_at, closes_at) as closes_at_before
    from told_stretches
    where is_told

),

closed_days as (

    select
        seed,
        calendar,
        on_day
    from stretches
    where seed = 'business_holidays'
    group by seed, calendar, on_day
    having count(*) > 1 and count(opens_at) < count(*)

),

calendars as (

    select * from {{ ref('business_calendars') }}

)

select
    what,
    'the weekday is 1 for Monday to 7 for Sunday' as problem
from told_stretches
where seed = 'business_hours' and coalesce(on_day not in ({% for day in range(1, 8) %}'weekday {{ day }}'{{ ', ' if not loop.last }}{% endfor %}), true)
union all
select
    what,
    'the times are written HH:MM, from 00:00 to 24:00' as problem
from told_stretches
where not is_told and (seed = 'business_hours' or opens_at is not null or closes_at is not null)
union all
select
    what,
    'it has to close after it opens; a shift over midnight is two rows, to 24:00 and from 00:00' as problem
from told_stretches
where is_told and closes_at <= opens_at
union all
select
    what,
    'it opens before the stretch before has closed' as problem
from stretches_in_order
where opens_at < closes_at_before
union all
select
    calendar || ', ' || on_day as what,
    'business_holidays: the day is closed by one row and open by another' as problem
from closed_days
union all
select
    what,
    'business_holidays: the calendar or the day is missing, or business_calendars has no such calendar' as problem
from told_stretches
left join calendars
    on told_stretches.calendar = calendars.calendar
where told_stretches.seed = 'business_holidays' and (calendars.calendar is null or told_stretches.on_day is null)
{%- endset -%}
{{ refuse_problems('business_hours', problems) }}
