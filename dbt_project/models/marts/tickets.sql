{{ config(materialized='view') }}

with tickets as (

    select * from {{ ref('int_tickets_assembled') }}

),

connections as (

    select * from {{ ref('int_connections_covered') }}

)

select
    tickets.connection_id,
    tickets.ticket_id,
    tickets.integration_type,
    tickets.customer_id,
    tickets.customer_name,
    tickets.assignee_user_id,
    tickets.assignee_name,
    tickets.category_id,
    tickets.category_name,
    tickets.subject,
    tickets.status,
    tickets.status_text,
    tickets.vendor_status,
    tickets.kind,
    tickets.priority,
    tickets.source,
    tickets.url,
    tickets.tags,
    tickets.opened_at,
    tickets.updated_at,
    tickets.due_at,
    tickets.closed_at,
    tickets.first_closed_at,
    tickets.vendor_first_replied_at,
    tickets.vendor_resolved_at,
    tickets.satisfaction,
    tickets.opened_by_role,
    tickets.first_customer_message_at,
    tickets.first_replied_at,
    tickets.first_reply_seconds,
    tickets.first_reply_business_seconds,
    tickets.resolution_seconds,
    tickets.resolution_business_seconds,
    tickets.first_resolution_seconds,
    tickets.message_count,
    tickets.customer_message_count,
    tickets.agent_message_count,
    tickets.agent_reply_count,
    tickets.bot_message_count,
    tickets.internal_message_count,
    tickets.agent_count,
    tickets.reply_band,
    tickets.waiting_on_us_seconds,
    tickets.waiting_on_us_business_seconds,
    tickets.waiting_on_customer_seconds,
    tickets.reopen_count,
    tickets.observed_reopen_count,
    tickets.reassignment_count,
    tickets.unassigned_seconds,
    tickets.first_message_at,
    tickets.last_message_at,
    tickets.first_contact_at,
    tickets.last_contact_at,
    tickets.last_customer_message_at,
    tickets.last_agent_message_at,
    tickets.waiting_on,
    tickets.waiting_since_at,
    tickets.is_closed,
    tickets.is_deleted,
    tickets.is_agent_opened,
    tickets.is_answered,
    tickets.is_one_touch,
    tickets.is_conversation_known,
    tickets.is_history_complete,
    {{ is_settled('coalesce(tickets.updated_at, tickets.opened_at)', 'connections.data_as_of') }}
    and (tickets.is_deleted or tickets.is_conversation_known) as is_settled,
    tickets.has_unknown_visibility,
    tickets.has_unknown_author,
    tickets.deleted_at,
    tickets.deletion_reason,
    tickets.history_since_at,
    connections.data_as_of
from tickets
left join connections
    on tickets.connection_id = connections.connection_id
