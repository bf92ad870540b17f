{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with tickets as (

    select * from {{ due(ref('stg_unified__tickets')) }} as tickets

),

stated_tickets as (

    select * from {{ due(ref('int_tickets_stated')) }} as tickets

),

customers as (

    select
        connection_id,
        customer_id,
        customer_name
    from {{ ref('stg_unified__customers') }}

),

employees as (

    select
        connection_id,
        employee_id,
        employee_name
    from {{ ref('stg_unified__employees') }}

),

categories as (

    select * from {{ due(ref('int_tickets_categorized')) }} as categories

),

opened_tickets as (

    select
        connection_id,
        ticket_id,
        opened_by_role
    from {{ ref('int_tickets_measured') }}

),

-- What a conversation that has not been read would tell is not known.
measured_tickets as (

    select measured.*
    from {{ ref('int_tickets_measured') }} as measured
    inner join stated_tickets
        on
            measured.connection_id = stated_tickets.connection_id
            and measured.ticket_id = stated_tickets.ticket_id
            and stated_tickets.is_conversation_known

),

changed_tickets as (

    select * from {{ ref('int_tickets_changed') }}

)

select
    tickets.connection_id,
    tickets.ticket_id,
    stated_tickets.integration_type,
    tickets.customer_id,
    customers.customer_name,
    tickets.assignee_user_id,
    employees.employee_name as assignee_name,
    categories.category_id,
    categories.category_name,
    tickets.subject,
    stated_tickets.status,
    tickets.status_text,
    stated_tickets.vendor_status,
    case
        when tickets.is_deleted then null
        when stated_tickets.sign_kind is not null then stated_tickets.sign_kind
        when opened_tickets.opened_by_role = 'agent' then 'agent_opened'
        else 'inbound'
    end as kind,
    tickets.priority,
    tickets.source,
    tickets.url,
    cast(tickets.tags as json) as tags,
    tickets.created_at as opened_at,
    tickets.updated_at,
    tickets.due_at,
    stated_tickets.closed_at,
    case when not tickets.is_deleted then changed_tickets.first_closed_at end as first_closed_at,
    stated_tickets.vendor_first_replied_at,
    stated_tickets.vendor_resolved_at,
    stated_tickets.satisfaction,
    opened_tickets.opened_by_role,
    measured_tickets.first_customer_message_at,
    measured_tickets.first_replied_at,
    measured_tickets.first_reply_seconds,
    {{ business_place('reply_opening', 'measured_tickets.first_replied_at') }}
    - {{ business_place('ask_opening', 'measured_tickets.first_customer_message_at') }} as first_reply_business_seconds,
    case
        when
            not tickets.is_deleted
            and {{ in_order('tickets.created_at', 'stated_tickets.closed_at') }}
            then {{ seconds_between('tickets.created_at', 'stated_tickets.closed_at') }}
    end as resolution_seconds,
    case
        when
            not tickets.is_deleted
            and {{ in_order('tickets.created_at', 'stated_tickets.closed_at') }}
            then
                {{ business_place('close_opening', 'stated_tickets.closed_at') }}
                - {{ business_place('open_opening', 'tickets.created_at') }}
    end as resolution_business_seconds,
    case
        when
            not tickets.is_deleted
            and {{ in_order('tickets.created_at', 'changed_tickets.first_closed_at') }}
            then {{ seconds_between('tickets.created_at', 'changed_tickets.first_closed_at') }}
    end as first_resolution_seconds,
    measured_tickets.message_count,
    measured_tickets.customer_message_count,
    measured_tickets.agent_message_count,
    measured_tickets.agent_reply_count,
    measured_tickets.bot_message_count,
    measured_tickets.internal_message_count,
    measured_tickets.agent_count,
    case
        when measured_tickets.agent_reply_count = 0 then 'none'
        when measured_tickets.agent_reply_count = 1 then 'one'
        when measured_tickets.agent_reply_count = 2 then 'two'
        when measured_tickets.agent_reply_count > 2 then 'several'
    end as reply_band,
    measured_tickets.waiting_on_us_seconds,
    measured_tickets.waiting_on_us_business_seconds,
    measured_tickets.waiting_on_customer_seconds,
    case when not tickets.is_deleted then changed_tickets.reopen_count end as reopen_count,
    case when not tickets.is_deleted then changed_tickets.observed_reopen_count end as observed_reopen_count,
    case when not tickets.is_deleted then changed_tickets.reassignment_count end as reassignment_count,
    case when not tickets.is_deleted then changed_tickets.unassigned_seconds end as unassigned_seconds,
    measured_tickets.first_message_at,
    measured_tickets.last_message_at,
    measured_tickets.first_contact_at,
    measured_tickets.last_contact_at,
    measured_tickets.last_customer_message_at,
    measured_tickets.last_agent_message_at,
    case
        when tickets.is_deleted then null
        when stated_tickets.is_closed or stated_tickets.is_set_aside then 'nobody'
        when not stated_tickets.is_conversation_known or measured_tickets.has_unknown_after_last_turn then 'unknown'
        when measured_tickets.last_turn_side = 'customer' then 'us'
        when measured_tickets.last_turn_side = 'agent' then 'customer'
        else 'nobody'
    end as waiting_on,
    case
        when
            not stated_tickets.is_closed and not stated_tickets.is_set_aside
            and not measured_tickets.has_unknown_after_last_turn
            then measured_tickets.last_turn_started_at
    end as waiting_since_at,
    stated_tickets.is_closed,
    tickets.is_deleted,
    opened_tickets.opened_by_role = 'agent' as is_agent_opened,
    case
        when measured_tickets.agent_reply_count > 0 then true
        when not measured_tickets.has_unknown_author then false
    end as is_answered,
    case
        when not measured_tickets.has_unknown_author
            then measured_tickets.agent_reply_count = 1 and stated_tickets.is_closed
    end as is_one_touch,
    stated_tickets.is_conversation_known,
    case when not tickets.is_deleted then changed_tickets.is_history_complete end as is_history_complete,
    measured_tickets.has_unknown_visibility,
    measured_tickets.has_unknown_author,
    tickets.deleted_at,
    tickets.deletion_reason,
    case when not tickets.is_deleted then changed_tickets.history_since_at end as history_since_at
from tickets
inner join stated_tickets
    on
        tickets.connection_id = stated_tickets.connection_id
        and tickets.ticket_id = stated_tickets.ticket_id
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
left join opened_tickets
    on
        tickets.connection_id = opened_tickets.connection_id
        and tickets.ticket_id = opened_tickets.ticket_id
left join measured_tickets
    on
        tickets.connection_id = measured_tickets.connection_id
        and tickets.ticket_id = measured_tickets.ticket_id
left join changed_tickets
    on
        tickets.connection_id = changed_tickets.connection_id
        and tickets.ticket_id = changed_tickets.ticket_id
{{ join_opening('open_opening', 'stated_tickets.calendar', 'tickets.created_at') }}
{{ join_opening('close_opening', 'stated_tickets.calendar', 'stated_tickets.closed_at') }}
{{ join_opening('ask_opening', 'stated_tickets.calendar', 'measured_tickets.first_customer_message_at') }}
{{ join_opening('reply_opening', 'stated_tickets.calendar', 'measured_tickets.first_replied_at') }}
