{{ config(materialized='table', post_hook="{{ mark_due_tickets() }}") }}

with built_tickets as (

    select
        connection_id,
        ticket_id,
        {% if can_build_on() %}inputs_hash{% else %}cast(null as {{ dbt.type_string() }}) as inputs_hash{% endif %}
    from {{ ref('int_tickets_built') }}

),

tickets as (

    select * from {{ ref('stg_unified__tickets') }}

),

notes as (

    select * from {{ ref('stg_unified__notes') }}

),

versions as (

    select * from {{ ref('stg_unified__ticket_versions') }}

),

written_notes as (

    select * from {{ ref('int_notes_written') }}

),

written_changes as (

    select
        connection_id,
        ticket_id,
        sum({{ hash_of(['old_values', 'taken_values', 'record_updated_at']) }}) as changes_hash
    from {{ ref('stg_unified__writeback_log') }}
    where action = 'change' and ending = 'written'
    group by connection_id, ticket_id

),

note_sweeps as (

    select * from {{ ref('stg_unified__note_sweeps') }}
    where found_note_count is not null

),

connections as (

    select * from {{ ref('int_connections_covered') }}

),

known_agents as (

    select * from {{ ref('int_known_agents') }}

),

customers as (

    select * from {{ ref('stg_unified__customers') }}

),

employees as (

    select * from {{ ref('stg_unified__employees') }}

),

categories as (

    select * from {{ ref('int_tickets_categorized') }}

),

-- Read as they are in the warehouse, where a seed's file may be newer than its table.
signs as (

    select
        sum({{ hash_of([
            'object', 'integration_type', 'path', 'value', 'is_beginning', 'sign', 'meaning', 'place'
        ]) }}) as signs_hash
    from {{ ref('int_signs') }}

),

policies as (

    select
        sum({{ hash_of([
            'policy', 'place', 'metric', 'connection_id', 'priority', 'tag', 'category', 'customer_id',
            'target_minutes', 'calendar', 'pauses_on', 'valid_from'
        ]) }}) as policies_hash
    from {{ ref('stg_seeds__sla_policies') }}

),

business_hours as (

    select
        sum({{ hash_of(['calendar', 'opens_at', 'closes_at', 'seconds_before']) }}) as hours_hash
    from {{ ref('int_business_hours') }}

),

ticket_notes as (

    select
        notes.connection_id,
        notes.ticket_id,
        sum({{ hash_of([
            'notes.note_id',
            'notes.row_hash',
            'notes.observed_at',
            was_known_agent('known_agents', 'coalesce(notes.created_at, notes.updated_at)'),
            'written_notes.note_id is not null',
        ]) }}) as notes_hash
    from notes
    left join known_agents
        on
            notes.connection_id = known_agents.connection_id
            and notes.customer_id = known_agents.user_id
    left join written_notes
        on
            notes.connection_id = written_notes.connection_id
            and notes.note_id = written_notes.note_id
    group by notes.connection_id, notes.ticket_id

),

ticket_versions as (

    select
        connection_id,
        ticket_id,
        sum({{ hash_of([
            'state_hash', 'tags', 'raw_status', 'raw_state', 'observed_at', 'observed_via', 'is_baseline'
        ]) }}) as versions_hash,
        max(observed_at) as last_observed_at
    from versions
    group by connection_id, ticket_id

),

tickets_now as (

    select
        tickets.connection_id,
        tickets.ticket_id,
        cast(
            {{ hash_of([
                "cast('" ~ logic_hash() ~ "' as " ~ dbt.type_string() ~ ")",
                'signs.signs_hash',
                'policies.policies_hash',
                'business_hours.hours_hash',
                'tickets.row_hash',
                'tickets.deletion_reason',
                'tickets.observed_at',
                'ticket_notes.notes_hash',
                'ticket_versions.versions_hash',
                'written_changes.changes_hash',
                'last_syncs.syncs_hash',
                'note_sweeps.ticket_id is not null',
                'connections.integration_type',
                'connections.calendar',
                is_before_notes_read('tickets.created_at', 'connections'),
                'customers.customer_name',
                'employees.employee_name',
                'categories.category_id',
                'categories.category_name',
            ]) }} as {{ dbt.type_string() }}
        ) as inputs_hash
    from tickets
    cross join signs
    cross join policies
    cross join business_hours
    left join ticket_notes
        on
            tickets.connection_id = ticket_notes.connection_id
            and tickets.ticket_id = ticket_notes.ticket_id
    left join ticket_versions
        on
            tickets.connection_id = ticket_versions.connection_id
            and tickets.ticket_id = ticket_versions.ticket_id
    left join written_changes
        on
            tickets.connection_id = written_changes.connection_id
            and tickets.ticket_id = written_changes.ticket_id
    left join note_sweeps
        on
            tickets.connection_id = note_sweeps.connection_id
            and tickets.ticket_id = note_sweeps.ticket_id
    left join connections
        on tickets.connection_id = connections.connection_id
    left join customers
        on
            tickets.connection_id = customers.connection_id
            and tickets.customer_id = customers.customer_id
    left join employees
        on
            tickets.connection_id = employees.connection_id
            and tickets.assignee_user_id = employees.employee_id
    left join categories
        on
            tickets.connection_id = categories.connection_id
            and tickets.ticket_id = categories.ticket_id
    {{ asof_join(
        ref('int_syncs_completed'), 'last_syncs', {'connection_id': 'ticket_versions.connection_id'},
        'read_through_at', 'ticket_versions.last_observed_at'
    ) }}

)

select
    coalesce(tickets_now.connection_id, built_tickets.connection_id) as connection_id,
    coalesce(tickets_now.ticket_id, built_tickets.ticket_id) as ticket_id,
    tickets_now.inputs_hash,
    cast('{{ logic_hash() }}' as {{ dbt.type_string() }}) as logic_hash,
    {{ batch_of_tickets() }} as batch
from tickets_now
full outer join built_tickets
    on
        tickets_now.connection_id = built_tickets.connection_id
        and tickets_now.ticket_id = built_tickets.ticket_id
where coalesce(tickets_now.inputs_hash <> built_tickets.inputs_hash, true)
