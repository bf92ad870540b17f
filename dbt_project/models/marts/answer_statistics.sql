with clocks as (

    select * from {{ ref('int_clocks_started') }}

),

connections as (

    select * from {{ ref('int_connections_covered') }}

),

clock as (

    select as_of
    from {{ ref('int_calendars_now') }}
    where calendar = ''

),

limits as (

    {% for limit in var('answer_limits_seconds') %}
        {% if not loop.first %}union all{% endif %}
        select cast({{ limit }} as bigint) as limit_seconds
    {% endfor %}

),

cases as (

    select
        clocks.*,
        clocks.state in ('answered', 'running') as is_case,
        clocks.state = 'answered' as is_answered,
        case
            when clocks.state = 'answered' then {{ seconds_between('clocks.started_at', 'clocks.ended_at') }}
        end as answered_seconds,
        -- An answer of after what has been read is not known yet.
        {{ seconds_between('clocks.started_at', 'least(clock.as_of, connections.data_as_of)') }} as known_seconds,
        connections.data_as_of,
        clock.as_of
    from clocks
    cross join clock
    left join connections
        on clocks.connection_id = connections.connection_id

),

-- Whoever still waits has waited longer than anybody; no real wait is as long as this.
counted_cases as (

    select
        *,
        coalesce(answered_seconds, 4000000000000) as seconds_or_longest
    from cases

),

figures as (

    select
        counted_cases.connection_id,
        counted_cases.metric,
        limits.limit_seconds,
        max(counted_cases.integration_type) as integration_type,
        sum(case when counted_cases.is_case then 1 else 0 end) as case_count,
        sum(case when counted_cases.is_answered then 1 else 0 end) as answered_count,
        sum(case when counted_cases.is_case and not counted_cases.is_answered then 1 else 0 end) as open_count,
        sum(case when counted_cases.is_case then 0 else 1 end) as left_out_count,
        sum(case when counted_cases.is_case and counted_cases.known_seconds >= limits.limit_seconds then 1 else 0 end)
            as old_enough_count,
        sum(
            case
                when
                    counted_cases.known_seconds >= limits.limit_seconds
                    and counted_cases.answered_seconds <= limits.limit_seconds
                    then 1
                else 0
            end
        ) as answered_within_count,
        cast(floor(avg(counted_cases.answered_seconds) + 0.5) as bigint) as mean_answered_seconds,
        {{ median_seconds('counted_cases.answered_seconds') }} as median_answered_seconds,
        {{ median_seconds('case when counted_cases.is_case then counted_cases.seconds_or_longest end') }}
            as median_seconds_or_longest,
        max(counted_cases.data_as_of) as data_as_of,
        max(counted_cases.as_of) as as_of
    from counted_cases
    cross join limits
    group by counted_cases.connection_id, counted_cases.metric, limits.limit_seconds

)

select
    connection_id,
    metric,
    limit_seconds,
    integration_type,
    cast(case_count as bigint) as case_count,
    cast(answered_count as bigint) as answered_count,
    cast(open_count as bigint) as open_count,
    cast(left_out_count as bigint) as left_out_count,
    cast(old_enough_count as bigint) as old_enough_count,
    cast(answered_within_count as bigint) as answered_within_count,
    case
        when old_enough_count > 0
            then cast(answered_within_count as double precision) / old_enough_count
    end as answered_share,
    mean_answered_seconds,
    median_answered_seconds,
    case
        when median_seconds_or_longest < 1000000000000 then median_seconds_or_longest
    end as median_seconds,
    data_as_of,
    as_of
from figures
