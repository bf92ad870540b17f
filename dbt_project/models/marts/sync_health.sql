{%- set counts = ['retry_count', 'rejected_row_count', 'repaired_row_count', 'deleted_row_count'] -%}
{%- set worst_first = ['paused', 'never_read', 'failing', 'stale', 'gaps', 'ok', 'not_offered'] -%}

with connections as (

    select
        connection_id,
        integration_type,
        is_paused,
        observed_at
    from {{ ref('stg_unified__connections') }}

),

clock as (

    select
        as_of,
        as_of - {{ var('sync_recent_days') }} * interval '1 day' as recent_since_at
    from {{ ref('int_calendars_now') }}
    where calendar = ''

),

-- Not materialized: Postgres would otherwise sort all runs with their texts to find the few objects.
runs as not materialized (

    select
        *,
        -- The earliest runs of all name no command.
        coalesce(command, 'sync') = 'sync' as is_sync,
        is_complete and error_text is null as is_success,
        error_text is not null or (plan like 'skipped%' and plan not like 'skipped, paused%') as is_failure
    from {{ ref('stg_unified__sync_runs') }}

),

run_figures as (

    select
        runs.connection_id,
        runs.object_name,
        max(runs.started_at) as last_run_started_at,
        max(case when runs.is_sync then runs.started_at end) as last_sync_started_at,
        max(case when runs.is_sync and runs.is_success then runs.started_at end) as last_success_started_at,
        max(case when runs.is_sync and runs.is_success then runs.ended_at end) as last_success_at,
        max(case when runs.command = 'reconcile' and runs.is_success then runs.ended_at end) as last_reconciled_at,
        max(case when runs.error_text is not null then runs.started_at end) as last_error_started_at,
        {% for count in counts -%}
            cast(sum(runs.{{ count }}) as bigint) as {{ count }},
        {% endfor -%}
        {% for count in ['received_row_count'] + counts -%}
            cast(sum(case when runs.started_at >= clock.recent_since_at then runs.{{ count }} else 0 end) as bigint)
                as recent_{{ count }},
        {% endfor -%}
        max(runs.read_through_at) as read_through_at
    from runs
    cross join clock
    group by runs.connection_id, runs.object_name

),

-- Of runs that began at the same moment, the greatest text by its bytes.
newest_runs as (

    select
        runs.connection_id,
        runs.object_name,
        max(
            case
                when runs.is_sync and runs.started_at = run_figures.last_sync_started_at
                    then {{ byte_order('runs.plan') }}
            end
        ) as plan,
        max(
            case
                when runs.is_sync and runs.started_at = run_figures.last_sync_started_at and runs.error_text is not null
                    then 1
                else 0
            end
        ) as is_last_sync_in_error,
        max(
            case when runs.started_at = run_figures.last_run_started_at then {{ byte_order('runs.command') }} end
        ) as last_run_command,
        max(
            case when runs.started_at = run_figures.last_error_started_at then {{ byte_order('runs.error_text') }} end
        ) as last_error,
        max(
            case
                when runs.started_at = run_figures.last_error_started_at and runs.error_text is not null
                    then coalesce(runs.ended_at, runs.started_at)
            end
        ) as last_error_at,
        max(
            case
                when runs.started_at = run_figures.last_error_started_at and runs.error_text is not null
                    then {{ byte_order('runs.command') }}
            end
        ) as last_error_command,
        cast(
            sum(
                case
                    when
                        runs.is_sync and runs.is_failure
                        and coalesce(runs.started_at > run_figures.last_success_started_at, true)
                        then 1
                    else 0
                end
            ) as bigint
        ) as failures_since_success_count
    from runs
    inner join run_figures
        on
            runs.connection_id = run_figures.connection_id
            and runs.object_name = run_figures.object_name
    group by runs.connection_id, runs.object_name

),

verifies as (

    select
        *,
        greatest(gap_count - repaired_count, 0) as unrepaired_count,
        row_number() over (
            partition by connection_id, object_name
            order by started_at desc nulls last, {{ byte_order('run_id') }} desc
        ) as recency
    from {{ ref('stg_unified__sync_coverage') }}

),

last_verifies as (

    select * from verifies
    where recency = 1

),

last_whole_verifies as (

    select
        connection_id,
        object_name,
        min(recency) as whole_recency,
        min(case when is_deep then recency end) as deep_recency
    from verifies
    where is_complete and not is_sample
    group by connection_id, object_name

),

-- What a look left stands until a later one sees all of the object, and as deep: a sample may not have hit on it.
unrepaired_gaps as (

    select
        verifies.connection_id,
        verifies.object_name,
        max(
            case
                when coalesce(verifies.recency <= last_whole_verifies.whole_recency, true)
                    then verifies.unrepaired_count
                when coalesce(verifies.recency <= last_whole_verifies.deep_recency, true)
                    then least(verifies.changed_count, verifies.unrepaired_count)
                else 0
            end
        ) as unrepaired_gap_count
    from verifies
    left join last_whole_verifies
        on
            verifies.connection_id = last_whole_verifies.connection_id
            and verifies.object_name = last_whole_verifies.object_name
    group by verifies.connection_id, verifies.object_name

),

rejected_records as (

    select
        connection_id,
        object_name,
        count(*) as rejected_record_count
    from {{ ref('stg_unified__rejected_records') }}
    group by connection_id, object_name

),

object_keys as (

    {% for object_name in ['tickets', 'customers', 'notes', 'categories', 'employees'] -%}
        select
            connection_id,
            '{{ object_name }}' as object_name
        from connections
        union
    {% endfor -%}
    select
        connection_id,
        object_name
    from run_figures
    union
    select
        connection_id,
        object_name
    from last_verifies
    union
    select
        connection_id,
        object_name
    from rejected_records

),

objects as (

    select
        object_keys.connection_id,
        object_keys.object_name,
        connections.integration_type,
        newest_runs.plan,
        connections.observed_at as last_listed_at,
        coalesce(connections.is_paused, false) as is_paused,
        coalesce(newest_runs.plan like 'not_offered%' and newest_runs.is_last_sync_in_error = 0, false)
            as is_not_offered,
        run_figures.last_sync_started_at as last_started_at,
        run_figures.last_success_at,
        run_figures.read_through_at,
        case
            when {{ in_order('run_figures.read_through_at', 'clock.as_of') }}
                then {{ seconds_between('run_figures.read_through_at', 'clock.as_of') }}
        end as age_seconds,
        coalesce(newest_runs.failures_since_success_count, 0) as failures_since_success_count,
        newest_runs.last_error,
        newest_runs.last_error_at,
        newest_runs.last_error_command,
        newest_runs.last_run_command,
        {% for count in counts -%}
            coalesce(run_figures.{{ count }}, 0) as {{ count }},
        {% endfor -%}
        {% for count in ['received_row_count'] + counts -%}
            coalesce(run_figures.recent_{{ count }}, 0) as recent_{{ count }},
        {% endfor -%}
        coalesce(rejected_records.rejected_record_count, 0) as rejected_record_count,
        run_figures.last_reconciled_at,
        coalesce(last_verifies.ended_at, last_verifies.started_at) as last_verified_at,
        last_verifies.is_complete as is_verified_complete,
        last_verifies.is_sample as is_verified_by_sample,
        last_verifies.shown_record_count,
        last_verifies.held_record_count,
        last_verifies.gap_count,
        last_verifies.repaired_count as repaired_gap_count,
        unrepaired_gaps.unrepaired_gap_count,
        case
            when last_verifies.shown_record_count > 0
                then
                    cast(
                        greatest(
                            last_verifies.shown_record_count - last_verifies.missing_count
                            - last_verifies.wrongly_deleted_count - last_verifies.stale_count
                            - last_verifies.changed_count,
                            0
                        ) as double precision
                    ) / last_verifies.shown_record_count
        end as coverage_share,
        clock.as_of
    from object_keys
    cross join clock
    left join connections
        on object_keys.connection_id = connections.connection_id
    left join run_figures
        on
            object_keys.connection_id = run_figures.connection_id
            and object_keys.object_name = run_figures.object_name
    left join newest_runs
        on
            object_keys.connection_id = newest_runs.connection_id
            and object_keys.object_name = newest_runs.object_name
    left join rejected_records
        on
            object_keys.connection_id = rejected_records.connection_id
            and object_keys.object_name = rejected_records.object_name
    left join last_verifies
        on
            object_keys.connection_id = last_verifies.connection_id
            and object_keys.object_name = last_verifies.object_name
    left join unrepaired_gaps
        on
            object_keys.connection_id = unrepaired_gaps.connection_id
            and object_keys.object_name = unrepaired_gaps.object_name

),

judged_objects as (

    select
        *,
        case
            when is_paused then 'paused'
            when is_not_offered then 'not_offered'
            when read_through_at is null then 'never_read'
            when failures_since_success_count >= {{ var('sync_failing_runs') }} then 'failing'
            when age_seconds > {{ var('sync_stale_seconds') }} then 'stale'
            when unrepaired_gap_count > 0 then 'gaps'
            else 'ok'
        end as health
    from objects

)

select
    connection_id,
    object_name,
    row_number() over (
        order by
            case health
                {% for health in worst_first -%}
                    when '{{ health }}' then {{ loop.index }}
                {% endfor -%}
            end asc,
            age_seconds desc nulls first,
            {{ byte_order('connection_id') }} asc,
            {{ byte_order('object_name') }} asc
    ) as place,
    health,
    integration_type,
    plan,
    last_started_at,
    last_success_at,
    read_through_at,
    age_seconds,
    failures_since_success_count,
    last_error,
    last_error_at,
    last_error_command,
    last_run_command,
    recent_received_row_count,
    {% for count in counts -%}
        {{ count }},
        recent_{{ count }},
    {% endfor -%}
    rejected_record_count,
    last_reconciled_at,
    last_verified_at,
    is_verified_complete,
    is_verified_by_sample,
    shown_record_count,
    held_record_count,
    gap_count,
    repaired_gap_count,
    unrepaired_gap_count,
    coverage_share,
    last_listed_at,
    as_of
from judged_objects
