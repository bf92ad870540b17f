{{
    config(
        materialized='table',
        indexes=indexes_where_used(
            [{'columns': ['calendar', 'opens_at']}, {'columns': ['calendar', 'seconds_before']}]
        )
    )
}}

with calendars as (

    select * from {{ ref('stg_seeds__business_calendars') }}

),

weekly_hours as (

    select * from {{ ref('stg_seeds__business_hours') }}

),

holidays as (

    select * from {{ ref('stg_seeds__business_holidays') }}

),

days as (

    select cast(spine.day_at as date) as day_on
    from generate_series({{ business_time_begins_at() }}, {{ business_time_ends_at() }}, interval '1 day')
        as spine (day_at)

),

local_hours as (

    select
        weekly_hours.calendar,
        days.day_on,
        weekly_hours.opens_at,
        weekly_hours.closes_at
    from days
    inner join weekly_hours
        on extract(isodow from days.day_on) = weekly_hours.weekday
    left join holidays
        on
            weekly_hours.calendar = holidays.calendar
            and days.day_on = holidays.holiday_on
    where holidays.calendar is null
    union all
    select
        holidays.calendar,
        holidays.holiday_on as day_on,
        holidays.opens_at,
        holidays.closes_at
    from holidays
    where holidays.opens_at is not null

),

hours as (

    select
        local_hours.calendar,
        {{ utc_of_local('local_hours.day_on', 'local_hours.opens_at', 'calendars.time_zone') }} as opens_at,
        {{ utc_of_local('local_hours.day_on', 'local_hours.closes_at', 'calendars.time_zone') }} as closes_at
    from local_hours
    inner join calendars
        on local_hours.calendar = calendars.calendar
    union all
    select
        '' as calendar,
        {{ business_time_begins_at() }} as opens_at,
        {{ business_time_ends_at() }} as closes_at

)

select
    calendar,
    opens_at,
    closes_at,
    {{ seconds_between('opens_at', 'closes_at') }} as open_seconds,
    cast(
        coalesce(
            sum({{ seconds_between('opens_at', 'closes_at') }})
                over (partition by calendar order by opens_at rows between unbounded preceding and 1 preceding),
            0
        ) as bigint
    ) as seconds_before
from hours
where closes_at > opens_at
