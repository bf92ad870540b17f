{# The seeds business_hours and business_holidays as a user may have edited them. #}
{% set problems -%}
with stretches as (

    select
        'business_hours' as seed,
        calendar,
        cast(weekday as {{ dbt.type_string() }}) as on_day,
        'weekday ' || weekday_text as day_text,
        opens_at,
        opens_at_text,
        closes_at,
        closes_at_text
    from {{ ref('stg_seeds__business_hours') }}
    union all
    select
        'business_holidays' as seed,
        calendar,
        cast(holiday_on as {{ dbt.type_string() }}) as on_day,
        holiday_on_text as day_text,
        opens_at,
        opens_at_text,
        closes_at,
        closes_at_text
    from {{ ref('stg_seeds__business_holidays') }}

),

told_stretches as (

    select
        *,
        seed || ', ' || coalesce(calendar, 'no calendar') || ', ' || coalesce(day_text, 'no day') || ', '
        || coalesce(opens_at_text, '') || ' to ' || coalesce(closes_at_text, '') as what,
        opens_at is not null and closes_at is not null as is_told
    from stretches

),

stretches_in_order as (

    select
        *,
        lag(closes_at) over (partition by seed, calendar, on_day order by opens_at, closes_at) as closes_at_before
    from told_stretches
    where is_told and on_day is not null

),

closed_days as (

    select
        seed,
        calendar,
        on_day
    from stretches
    where seed = 'business_holidays' and on_day is not null
    group by seed, calendar, on_day
    having count(*) > 1 and count(opens_at_text) < count(*)

),

calendars as (

    select * from {{ ref('stg_seeds__business_calendars') }}

)

select
    what,
    'the weekday is 1 for Monday to 7 for Sunday' as problem
from told_stretches
where seed = 'business_hours' and coalesce(on_day not in ('1', '2', '3', '4', '5', '6', '7'), true)
union all
select
    what,
    'the times are written HH:MM, from 00:00 to 24:00' as problem
from told_stretches
where not is_told and (seed = 'business_hours' or opens_at_text is not null or closes_at_text is not null)
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
    coalesce(calendar, 'no calendar') || ', ' || on_day as what,
    'business_holidays: the day is closed by one row and open by another' as problem
from closed_days
union all
select
    what,
    'business_holidays: the calendar or the day is missing, or business_calendars has no such calendar' as problem
from told_stretches
left join calendars
    on told_stretches.calendar = calendars.calendar
where told_stretches.seed = 'business_holidays' and (calendars.calendar is null or told_stretches.day_text is null)
union all
select
    what,
    'business_holidays: holiday_on has to be a day of the calendar, written YYYY-MM-DD, and not ' || day_text as problem
from told_stretches
where seed = 'business_holidays' and on_day is null and day_text is not null
{%- endset -%}
{{ refuse_problems('business_hours', problems) }}
