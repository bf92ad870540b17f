{# The seeds business_calendars and business_hours as a user may have edited them. #}
{% set problems -%}
with calendars as (

    select * from {{ ref('stg_seeds__business_calendars') }}

),

hours as (

    select * from {{ ref('stg_seeds__business_hours') }}

),

time_zones as (

    select name from pg_timezone_names()

)

select
    coalesce(calendar, time_zone) as what,
    'business_calendars: a calendar needs a name and a time zone' as problem
from calendars
where calendar is null or time_zone is null
union all
select
    calendar as what,
    'business_calendars: the calendar stands there more than once' as problem
from calendars
where calendar is not null
group by calendar
having count(*) > 1
union all
select
    coalesce(calendars.calendar, 'no calendar') || ': ' || calendars.time_zone as what,
    'business_calendars: no such time zone; they are called like Europe/Oslo' as problem
from calendars
left join time_zones
    on calendars.time_zone = time_zones.name
where time_zones.name is null and calendars.time_zone is not null
union all
select
    coalesce(calendars.calendar, 'no calendar') as what,
    'business_hours: the calendar has no hours and would never be open' as problem
from calendars
left join hours
    on calendars.calendar = hours.calendar
where hours.calendar is null
union all
select
    coalesce(hours.calendar, 'no calendar') as what,
    'business_calendars: the calendar of business_hours is not there' as problem
from hours
left join calendars
    on hours.calendar = calendars.calendar
where calendars.calendar is null
{%- endset -%}
{{ refuse_problems('business_calendars', problems) }}
