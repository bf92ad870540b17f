{# The seed connection_calendars as a user may have edited it. #}
{% set problems -%}
with connection_calendars as (

    select * from {{ ref('stg_seeds__connection_calendars') }}

),

calendars as (

    select * from {{ ref('stg_seeds__business_calendars') }}

)

select
    coalesce(connection_calendars.connection_id, 'all others') || ': '
    || coalesce(connection_calendars.calendar, 'no calendar') as what,
    'business_calendars has no such calendar' as problem
from connection_calendars
left join calendars
    on connection_calendars.calendar = calendars.calendar
where calendars.calendar is null
union all
select
    coalesce(connection_id, 'all others') as what,
    'the connection has more than one calendar' as problem
from connection_calendars
group by connection_id
having count(*) > 1
union all
select
    'all others' as what,
    'a row with a blank connection_id is missing, so that other connections have no business hours' as problem
from connection_calendars
having count(*) = count(connection_id)
{%- endset -%}
{{ refuse_problems('connection_calendars', problems) }}
