{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with tickets as (

    select * from {{ due(ref('int_tickets_stated')) }} as tickets

),

versions as (

    select
        versions.connection_id,
        versions.ticket_id,
        versions.state_hash,
        tickets.integration_type,
        {{ status_word('versions.status_text') }} as status,
        versions.assignee_user_id,
        versions.priority,
        coalesce(versions.category_id, versions.category_text) as category,
        versions.category_text,
        {{ json_sorted_list('versions.tags') }} as tags,
        versions.raw_status,
        versions.raw_state,
        versions.updated_at,
        case when {{ status_word('versions.status_text') }} = 'closed' then versions.closed_at end as closed_at,
        versions.is_baseline,
        versions.observed_at,
        versions.observed_via
    from {{ due(ref('stg_unified__ticket_versions')) }} as versions
    inner join tickets
        on
            versions.connection_id = tickets.connection_id
            and versions.ticket_id = tickets.ticket_id

),

own_changes as (

    select
        connection_id,
        ticket_id,
        record_updated_at,
        case
            when {{ json_text('taken_values', ['status']) }} is not null
                then {{ status_word(json_text('taken_values', ['status'])) }}
        end as status,
        {{ json_text('taken_values', ['user_id']) }} as assignee_user_id,
        {{ json_text('old_values', ['user_id']) }} as old_assignee_user_id,
        {{ lower_snake(json_text('taken_values', ['priority'])) }} as priority,
        {{ json_text('old_values', ['priority']) }} as old_priority,
        coalesce({{ json_text('taken_values', ['category_id']) }}, {{ json_text('taken_values', ['category']) }})
            as category,
        {{ json_text('taken_values', ['category']) }} as category_text,
        coalesce({{ json_text('old_values', ['category_id']) }}, {{ json_text('old_values', ['category']) }})
            as old_category,
        {{ json_sorted_list(json_part('taken_values', 'tags')) }} as tags,
        {{ json_sorted_list(json_part('old_values', 'tags')) }} as old_tags
    from {{ due(ref('stg_unified__writeback_log')) }} as writeback_log
    where action = 'change' and ending = 'written'

),

-- The states that changes of ours have led to, whoever saw them first, and what of them is ours.
own_versions as (

    select
        versions.connection_id,
        versions.ticket_id,
        versions.state_hash,
        max(case when versions.status = own_changes.status then 1 else 0 end) as own_status,
        max(
            case
                when {{ was_given(
                    'versions.assignee_user_id', 'own_changes.assignee_user_id', 'own_changes.old_assignee_user_id'
                ) }} then 1
                else 0
            end
        ) as own_assignee,
        max(
            case
                when {{ was_given('versions.priority', 'own_changes.priority', 'own_changes.old_priority') }} then 1
                else 0
            end
        ) as own_priority,
        max(
            case
                when versions.category_text = own_changes.category_text then 1
                when {{ was_given('versions.category', 'own_changes.category', 'own_changes.old_category') }} then 1
                else 0
            end
        ) as own_category,
        max(
            case when {{ was_given('versions.tags', 'own_changes.tags', 'own_changes.old_tags') }} then 1 else 0 end
        ) as own_tags
    from versions
    inner join own_changes
        on
            versions.connection_id = own_changes.connection_id
            and versions.ticket_id = own_changes.ticket_id
            and (
                {{ whole_second('versions.updated_at') }} = {{ whole_second('own_changes.record_updated_at') }}
                or (
                    versions.updated_at is null
                    and own_changes.record_updated_at is null
                    and versions.observed_via = 'writeback'
                )
            )
    group by versions.connection_id, versions.ticket_id, versions.state_hash

),

-- The top of `raw` is all that a version keeps of it, so that only signs at these two paths can speak of the past.
version_states as (

    select
        connection_id,
        integration_type,
        ticket_id || '/' || state_hash as record_id,
        raw_status as found_text,
        'status' as path
    from versions
    where raw_status is not null
    union all
    select
        connection_id,
        integration_type,
        ticket_id || '/' || state_hash as record_id,
        raw_state as found_text,
        'state' as path
    from versions
    where raw_state is not null

),

matched_signs as (

    {{ signs_matched_in_texts('ticket', 'version_states') }}

),

vendor_statuses as (

    {{ signs_chosen('matched_signs') }}

),

versions_in_order as (

    select
        versions.*,
        vendor_statuses.meaning as vendor_status,
        coalesce(own_versions.own_status = 1, false) as has_own_status,
        coalesce(own_versions.own_assignee = 1, false) as has_own_assignee,
        coalesce(own_versions.own_priority = 1, false) as has_own_priority,
        coalesce(own_versions.own_category = 1, false) as has_own_category,
        coalesce(own_versions.own_tags = 1, false) as has_own_tags,
        row_number() over (
            partition by versions.connection_id, versions.ticket_id
            order by
                coalesce(versions.updated_at, versions.observed_at) asc,
                versions.observed_at asc,
                {{ byte_order('versions.state_hash') }} asc
        ) as version_number
    from versions
    left join vendor_statuses
        on
            versions.connection_id = vendor_statuses.connection_id
            and versions.ticket_id || '/' || versions.state_hash = vendor_statuses.record_id
            and vendor_statuses.sign = 'vendor_status'
    left join own_versions
        on
            versions.connection_id = own_versions.connection_id
            and versions.ticket_id = own_versions.ticket_id
            and versions.state_hash = own_versions.state_hash

),

versions_beside_those_before as (

    select
        *,
        lag(status) over ticket as status_before,
        lag(assignee_user_id) over ticket as assignee_user_id_before,
        lag(priority) over ticket as priority_before,
        lag(category) over ticket as category_before,
        lag(tags) over ticket as tags_before,
        lag(vendor_status) over ticket as vendor_status_before,
        lag(updated_at) over ticket as updated_at_before,
        lag(observed_at) over ticket as observed_at_before
    from versions_in_order
    window ticket as (partition by connection_id, ticket_id order by version_number)

),

timed_versions as (

    select
        *,
        case
            when
                status = 'closed' and status_before <> 'closed'
                and closed_at > observed_at_before and closed_at <= observed_at
                then closed_at
            when updated_at > updated_at_before and updated_at <= observed_at then updated_at
            else observed_at
        end as own_changed_at
    from versions_beside_those_before

),

-- Never before an earlier state's, nor after this one or a later one was seen.
changed_versions as (

    select
        *,
        least(
            max(case when version_number > 1 then own_changed_at end) over (
                partition by connection_id, ticket_id order by version_number
                rows between unbounded preceding and current row
            ),
            min(observed_at) over (
                partition by connection_id, ticket_id order by version_number
                rows between current row and unbounded following
            )
        ) as changed_at
    from timed_versions

)

select
    versions.connection_id,
    versions.ticket_id,
    versions.version_number,
    versions.integration_type,
    versions.status,
    versions.assignee_user_id,
    versions.priority,
    versions.category,
    versions.tags,
    versions.vendor_status,
    versions.status_before,
    versions.assignee_user_id_before,
    versions.priority_before,
    versions.category_before,
    versions.tags_before,
    versions.vendor_status_before,
    versions.updated_at,
    versions.closed_at,
    versions.changed_at,
    case
        when
            last_syncs.read_through_before_at > versions.observed_at_before
            and last_syncs.read_through_before_at <= versions.changed_at
            then last_syncs.read_through_before_at
        else least(versions.observed_at_before, versions.changed_at)
    end as observed_after,
    versions.observed_at as observed_by,
    versions.observed_via,
    versions.is_baseline,
    versions.has_own_status,
    versions.has_own_assignee,
    versions.has_own_priority,
    versions.has_own_category,
    versions.has_own_tags
from changed_versions as versions
{{ asof_join(
    ref('int_syncs_completed'), 'last_syncs', {'connection_id': 'versions.connection_id'}, 'read_through_at',
    'versions.observed_at'
) }}
